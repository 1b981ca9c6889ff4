#!/usr/bin/env bash
# proxy_test: what a reverse proxy in front of Bedside makes of strangers: before and after set-up, marked and not, in the
# demo, and nginx itself as docs/reverse-proxy.md writes it. Where nginx is not installed, its package is fetched and unpacked
# for this test alone: nothing is installed, no service is started.
. "$(dirname "$0")/lib.sh"
need curl
need python3

start() { # NAME ARGUMENTS…: sets at, port, token
  local name=$1
  shift
  "$BEDSIDE" "$@" --data "$tmp/$name" --port 0 >"$tmp/$name.log" 2>&1 &
  pids+=($!)
  until_true 30 grep -qs '^Bedside is up' "$tmp/$name.log" || die "$name does not start"
  port=$(address_of "$tmp/$name.log" | sed -E 's|.*:([0-9]+)/|\1|')
  at=http://127.0.0.1:$port
  token=$(sed -n 's/.*token=//p' "$tmp/$name.log" | head -n 1)
}
status() { curl -s -o "$tmp/body" -w '%{http_code}' "$@"; }
expect() { # WANTED WHAT ARGUMENTS…
  local got
  got=$(status "${@:3}") || true # 101 ends by time
  [ "$got" = "$1" ] || die "$2: $got instead of $1: $(head -c 300 "$tmp/body" | tr -d "\0")"
}
json=(-H 'Content-Type: application/json')
first='{"name":"root","password":"correct horse"}'

# ---- before set-up: what a proxy sends that was told nothing
start fresh serve
expect 403 "nginx's default before set-up" --http1.0 -H 'Connection: close' "$at/"
expect 200 "no mark at all: the page, and no more" "$at/"
for how in "--http1.0 -H Connection:close" "-H Host:localhost:$port" "-H X-Forwarded-For:8.8.8.8" "-H Via:x" "-H Host:evil.example"; do
  # shellcheck disable=SC2086
  expect 403 "choosing the password without the link ($how)" $how "${json[@]}" -d "$first" "$at/api/v1/setup"
done
expect 403 "a made-up link" "${json[@]}" -d '{"token":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","name":"root","password":"correct horse"}' "$at/api/v1/setup"
expect 200 "the link through an unknown proxy" --http1.0 -c "$tmp/jar" "$at/?token=$token"
expect 200 "and the password by its cookie" --http1.0 -b "$tmp/jar" "${json[@]}" -d "$first" "$at/api/v1/setup"

# ---- the demo: open to this machine only, and not to marks of proxies
start demo demo
expect 200 "the demo on this machine" "$at/api/v1/me"
expect 200 "the demo by its other name" -H "Host: localhost:$port" "$at/api/v1/me"
for how in "--http1.0 -H Connection:close" "-H X-Forwarded-For:8.8.8.8" "-H X-Forwarded-Proto:https" "-H Forwarded:for=8.8.8.8" \
  "-H Via:x" "-H Host:localhost" "-H Host:localhost:80" "-H Host:evil.example:$port"; do
  # shellcheck disable=SC2086
  expect 403 "the demo for a stranger ($how)" $how "$at/api/v1/me"
done
other=$(hostname -I 2>/dev/null | cut -d ' ' -f 1) || true
if [ -z "$other" ]; then
  echo "this machine has no other address: only loopback was tried"
else
  ! curl -s -m 5 -o /dev/null "http://$other:$port/" || die "the demo listens on $other"
fi

# ---- nginx itself
kept=${XDG_CACHE_HOME:-${HOME:-$tmp}/.cache}/bedside-tests/nginx
runs() { "$1" -V >/dev/null 2>&1; }
apt_private() { apt-get -q -o Dir::State::Lists="$tmp/lists" -o Dir::Cache="$tmp/cache" -o APT::Sandbox::User= "$@"; }
fetch_nginx() { # into $kept, by the system's own package sources; says why not
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { echo "no apt-get here"; return 1; }
  mkdir -p "$tmp/deb" "$tmp/lists/partial" "$tmp/cache/archives/partial" "$kept"
  cd "$tmp/deb"
  # The lists may be absent: fetched into our own folder then, which takes no privilege.
  timeout 120 apt-get -q download nginx >"$tmp/apt.log" 2>&1 ||
    { timeout 120 apt_private update && timeout 120 apt_private download nginx; } >>"$tmp/apt.log" 2>&1 ||
    { tail -n 3 "$tmp/apt.log"; return 1; }
  dpkg-deb -x nginx_*.deb "$tmp/deb/x" && runs "$tmp/deb/x/usr/sbin/nginx" || { echo "the package's nginx does not run here"; return 1; }
  # In one step: another run may be fetching it, too.
  cp "$tmp/deb/x/usr/sbin/nginx" "$kept/nginx.$$" && mv "$kept/nginx.$$" "$kept/nginx"
}
nginx=${BEDSIDE_NGINX:-$(command -v nginx || echo /usr/sbin/nginx)}
if ! runs "$nginx"; then
  nginx=$kept/nginx
  runs "$nginx" || why=$(fetch_nginx) || { echo "skipped: the rest is good, but nginx cannot be had: $why"; exit 77; }
fi
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
front() { # NAME LOCATIONS: sets via
  local front_port
  front_port=$(free_port)
  mkdir -p "$tmp/nginx-$1"
  {
    echo "daemon off; pid $tmp/nginx-$1/pid; events {} http { access_log off;"
    for t in client_body proxy fastcgi uwsgi scgi; do echo "${t}_temp_path $tmp/nginx-$1/$t;"; done
    echo "server { listen 127.0.0.1:$front_port; $2 } }"
  } >"$tmp/nginx-$1/conf"
  "$nginx" -e "$tmp/nginx-$1.log" -p "$tmp/nginx-$1" -c "$tmp/nginx-$1/conf" 2>/dev/null &
  pids+=($!)
  via=http://127.0.0.1:$front_port
  until_true 20 curl -s -o /dev/null "$via/" || die "nginx does not start"
}
documented="proxy_http_version 1.1; proxy_set_header Host \$http_host; proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto \$scheme; proxy_set_header Upgrade \$http_upgrade;
  proxy_set_header Connection \$http_connection; proxy_buffering off;"

front demo "location / { proxy_pass $at; }"
expect 403 "the demo behind a bare nginx" "$via/api/v1/me"

start bare serve
front bare "location / { proxy_pass $at; }"
expect 403 "a bare nginx before set-up" "$via/"
expect 403 "the password through a bare nginx" "${json[@]}" -d "$first" "$via/api/v1/setup"
front keep "location / { proxy_pass $at; proxy_http_version 1.1; proxy_set_header Connection \"\"; }"
expect 403 "the password through a bare nginx that speaks 1.1" "${json[@]}" -d "$first" "$via/api/v1/setup"

printf 'web:\n  listen: 127.0.0.1\n  trusted_proxies: [127.0.0.1]\n' >"$tmp/proxy.yaml"
start named serve --config "$tmp/proxy.yaml"
front named "location / { proxy_pass $at; $documented }
  location /bedside/ { proxy_pass $at/; proxy_set_header X-Forwarded-Prefix /bedside; $documented }"
expect 403 "a named proxy before set-up" "$via/"
expect 403 "nobody is this machine through it" "$at/"
expect 200 "the link through it" -c "$tmp/jar2" "$via/?token=$token"
expect 200 "the password through it" -b "$tmp/jar2" -c "$tmp/jar2" -H "Origin: $via" "${json[@]}" -d "$first" "$via/api/v1/setup"
csrf=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["csrf"])' "$tmp/body")
expect 200 "signed in" -b "$tmp/jar2" "$via/api/v1/me"
expect 403 "another site" -b "$tmp/jar2" -X POST -H "X-Bedside-Csrf: $csrf" -H 'Origin: http://evil.example' "$via/api/v1/logout"
expect 101 "the live connection" -m 3 -b "$tmp/jar2" --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' \
  -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' -H "Origin: $via" "$via/api/v1/live"
expect 401 "a wrong password" -H 'X-Forwarded-For: 9.9.9.9' "${json[@]}" -d '{"name":"root","password":"x"}' "$via/api/v1/login"
expect 200 "the audit log" -b "$tmp/jar2" "$via/api/v1/audit?action=login"
grep -q '"address":"9.9.9.9"' "$tmp/body" || die "the visitor's address is lost"
expect 200 "below a path" "$via/bedside/"
grep -q '<base href="/bedside/">' "$tmp/body" || die "no base below a path"
expect 200 "the API below a path" -b "$tmp/jar2" "$via/bedside/api/v1/start"

# ---- a rig reports through it, below the path
expect 201 "a pairing code" -b "$tmp/jar2" -X POST -H "X-Bedside-Csrf: $csrf" -H "Origin: $via" "$via/bedside/api/v1/rigs/codes"
code=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["code"])' "$tmp/body")
front_url=$via/bedside
start rig serve
"$BEDSIDE" rig pair --data "$tmp/rig" --name shed "$front_url/" "$code" || die "no pairing below a path"
reports() { "$BEDSIDE" rig status --data "$tmp/rig" | grep -q "^hub $front_url (.*): online"; }
until_true 60 reports || die "a rig below a path: $("$BEDSIDE" rig status --data "$tmp/rig")"
echo good
