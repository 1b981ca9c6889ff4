#!/usr/bin/env bash
# web_test: the running daemon, asked by curl: first start, sign-in, films by parts, what strangers get.
#   tests/e2e/web_test.sh BUILD_DIR
# 77: skipped, for lack of curl.
set -u
build=${1:?usage: web_test.sh BUILD_DIR}
case $build in /*) ;; *) build=$PWD/$build ;; esac
bedside=$build/src/app/bedside
command -v curl >/dev/null && command -v python3 >/dev/null || { echo "skipped: no curl or python3"; exit 77; }
"$bedside" help | grep -q 'bedside serve' || { echo "skipped: built without serve"; exit 77; }
dir=$(mktemp -d)
daemon=0
trap '[ $daemon -eq 0 ] || kill $daemon 2>/dev/null; wait; rm -rf "$dir"' EXIT
export HOME=$dir
unset BEDSIDE_CONFIG
failed=0 checks=0

check() { # WHAT GOT WANTED
  checks=$((checks + 1))
  [ "$2" = "$3" ] && return
  failed=$((failed + 1))
  echo "FAILED: $1: got '$2', wanted '$3'"
}

has() { # WHAT TEXT PART
  checks=$((checks + 1))
  case $2 in *"$3"*) return ;; esac
  failed=$((failed + 1))
  echo "FAILED: $1: '$3' is not in '${2:0:300}'"
}

start() { # ARGUMENTS…: sets daemon, link, at
  rm -f "$dir/out" "$dir/log" # the last daemon's link is not this one's
  "$bedside" serve --data "$dir/data" --port 0 "$@" >"$dir/out" 2>"$dir/log" &
  daemon=$!
  for _ in $(seq 200); do
    link=$(grep -soE 'https?://[^ ]+' "$dir/out" "$dir/log" -h | head -1)
    [ -n "$link" ] && break
    kill -0 $daemon 2>/dev/null || break
    sleep 0.05
  done
  at=$(printf '%s' "$link" | sed -E 's|^(https?://)[^:/]*(:[0-9]+).*|\1127.0.0.1\2|')
}

finish() { # sets code
  kill $daemon
  wait $daemon
  code=$?
  daemon=0
}

status() { curl -sk -o /dev/null -w '%{http_code}' "$@"; }
code_of() { python3 -c 'import json,sys; print(json.load(sys.stdin)'"$1"')'; }

# ---- first start
start
[ -n "$link" ] || { cat "$dir/out" "$dir/log"; echo "FAILED: the daemon did not start"; exit 1; }
has "the link has a token" "$link" "?token="
check "page on this machine" "$(status "$at/")" 200
check "health" "$(curl -s "$at/healthz")" '{"status":"ok"}'
check "ready" "$(status "$at/readyz")" 200
check "a proxy nobody told us of" "$(status -H 'X-Forwarded-For: 8.8.8.8' "$at/")" 403
check "a stranger's name" "$(status -H 'Host: evil.example' "$at/api/v1/start")" 403
check "another port's name" "$(status -H 'Host: localhost' "$at/api/v1/start")" 403
token=${link##*token=}
check "this machine without the link" \
  "$(status -d '{"name":"root","password":"correct horse"}' -H 'Content-Type: application/json' "$at/api/v1/setup")" 403
check "short password" "$(status -d '{"token":"'"$token"'","name":"root","password":"short"}' -H 'Content-Type: application/json' "$at/api/v1/setup")" 422
csrf=$(curl -s -c "$dir/jar" -H 'Content-Type: application/json' \
  -d '{"token":"'"$token"'","name":"root","password":"correct horse"}' "$at/api/v1/setup" | code_of '["csrf"]')
check "set up only once" "$(status -d '{"name":"two","password":"correct horse"}' -H 'Content-Type: application/json' "$at/api/v1/setup")" 410
check "signed in" "$(curl -s -b "$dir/jar" "$at/api/v1/me" | code_of '["user"]["name"]')" root
check "not signed in" "$(status "$at/api/v1/printers")" 401
has "headers" "$(curl -sI "$at/")" "Content-Security-Policy: default-src 'self'"
check "HEAD" "$(curl -sI "$at/" | head -1 | tr -d '\r')" "HTTP/1.1 200 OK"
check "HTTP/1.0" "$(status --http1.0 "$at/healthz")" 200
check "many requests on one connection" \
  "$(curl -s -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}' "$at/healthz" "$at/" "$at/api/v1/start")" 100

# ---- the document, and each GET in it that needs no id
curl -s -b "$dir/jar" "$at/api/v1/openapi.json" >"$dir/openapi.json"
check "document" "$(code_of '["openapi"]' <"$dir/openapi.json")" 3.1.0
for path in $(python3 -c '
import json, sys
for path, item in json.load(open(sys.argv[1]))["paths"].items():
    # Those of cameras have tests of their own; there is none here.
    if "get" in item and "{" not in path and path.startswith("/api/v1/") and not path.endswith(("/live", "/wall")):
        print(path)' "$dir/openapi.json"); do
  case $path in
    */capture-archive) wanted=404 ;;     # nothing was captured
    */rig/link) wanted=401 ;;            # of rigs alone, by their key
    */environment/history) wanted=422 ;; # of which place was not said
    *) wanted=200 ;;
  esac
  check "GET $path" "$(status -b "$dir/jar" "$at$path")" $wanted
done

# ---- a film, whole and by parts
id=01M0000000000000000000000A
mkdir -p "$dir/data/films"
head -c 3000000 /dev/urandom >"$dir/data/films/x.mp4"
python3 - "$dir/data/bedside.db" "$id" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=10)
names = [r[1] for r in db.execute("PRAGMA table_info(films)")]
row = {n: 0 for n in names}
row.update(id=sys.argv[2], session="", printer="", camera="", job_name="x", file="films/x.mp4", poster="",
           state="verified", text="", plan_preset="veryfast", plan_fps=25, fps=25)
db.execute(f"INSERT INTO films ({','.join(names)}) VALUES ({','.join('?' * len(names))})", [row[n] for n in names])
db.commit()
PY
film=$at/api/v1/films/$id/video
curl -s -b "$dir/jar" "$film" | cmp - "$dir/data/films/x.mp4"
check "the whole film" $? 0
for range in 0-0 0-99999 1234567-2345678 -100 2999999-; do
  curl -s -b "$dir/jar" -r "$range" "$film" >"$dir/part"
  python3 -c '
import sys
data, want = open(sys.argv[1], "rb").read(), sys.argv[2]
a, b = want.split("-")
part = data[-int(b):] if not a else data[int(a):int(b) + 1 if b else None]
sys.exit(part != open(sys.argv[3], "rb").read())' "$dir/data/films/x.mp4" "$range" "$dir/part"
  check "bytes $range" $? 0
done
check "a part" "$(status -b "$dir/jar" -r 5-9 "$film")" 206
check "beyond its end" "$(status -b "$dir/jar" -r 3000000- "$film")" 416
etag=$(curl -sI -b "$dir/jar" "$film" | tr -d '\r' | sed -n 's/^ETag: //p')
check "unchanged" "$(status -b "$dir/jar" -H "If-None-Match: $etag" "$film")" 304
check "a part of another version" "$(status -b "$dir/jar" -r 5-9 -H 'If-Range: "old"' "$film")" 200
has "to be saved" "$(curl -sI -b "$dir/jar" "$film?download=1")" 'Content-Disposition: attachment; filename="x.mp4"'
check "a film for nobody" "$(status "$film")" 401

# ---- what strangers try
check "dots" "$(status --path-as-is "$at/../../../../etc/passwd")" 400
check "quoted dots" "$(status --path-as-is "$at/%2e%2e/%2e%2e/etc/passwd")" 400
check "the database" "$(status "$at/bedside.db")" 404
check "no HTTP" "$(printf 'hello\r\n\r\n' | timeout 5 python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
s.sendall(sys.stdin.buffer.read())
print(s.recv(100).decode().split("\r")[0])' "${at##*:}")" "HTTP/1.1 400 Bad Request"
check "a body of two megabytes" "$(head -c 2000000 /dev/zero | status -H 'Expect:' --data-binary @- "$at/api/v1/login")" 413
check "cross-site" "$(status -b "$dir/jar" -X POST -H "X-Bedside-Csrf: $csrf" -H 'Origin: http://evil.example' "$at/api/v1/logout")" 403
check "without the header" "$(status -b "$dir/jar" -X POST "$at/api/v1/logout")" 403
for _ in 1 2 3 4 5; do
  last=$(status -d '{"name":"root","password":"guess"}' -H 'Content-Type: application/json' "$at/api/v1/login")
done
check "a wrong password" "$last" 401
check "too many" "$(status -d '{"name":"root","password":"guess"}' -H 'Content-Type: application/json' "$at/api/v1/login")" 429

# ---- keys, backup, another process, restart
key=$(curl -s -b "$dir/jar" -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' \
  -d '{"name":"wall","scopes":["read"]}' "$at/api/v1/keys" | code_of '["secret"]')
check "a key reads" "$(status -H "Authorization: Bearer $key" "$at/api/v1/films")" 200
check "a key for reading does not command" "$(status -H "Authorization: Bearer $key" "$at/api/v1/backup")" 403
check "a backup for nobody" "$(status "$at/api/v1/backup")" 401
mkdir -p "$dir/data/sessions/01M0000000000000000000000B/a1"
echo '{}' >"$dir/data/sessions/01M0000000000000000000000B/session.json"
head -c 70000 /dev/urandom >"$dir/data/sessions/01M0000000000000000000000B/a1/000001.jpg"
curl -s -b "$dir/jar" "$at/api/v1/backup?frames=1" >"$dir/all.tar"
curl -s -b "$dir/jar" "$at/api/v1/backup?films=0" >"$dir/small.tar"
check "what is in the archive" "$(tar -tf "$dir/all.tar" | sort | tr '\n' ' ')" \
  "backup.json bedside.db films/x.mp4 sessions/01M0000000000000000000000B/a1/000001.jpg sessions/01M0000000000000000000000B/session.json "
check "and in a small one" "$(tar -tf "$dir/small.tar" | sort | tr '\n' ' ')" \
  "backup.json bedside.db sessions/01M0000000000000000000000B/session.json "
tar -xOf "$dir/all.tar" films/x.mp4 | cmp - "$dir/data/films/x.mp4"
check "the film in it" $? 0
tar -xOf "$dir/all.tar" bedside.db >"$dir/copy.db"
check "a database that is whole" "$(python3 -c '
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute("PRAGMA integrity_check").fetchone()[0], db.execute("SELECT count(*) FROM films").fetchone()[0])' "$dir/copy.db")" "ok 1"
check "nothing of it stays" "$(ls "$dir/data" | grep -c backup)" 0

# ---- and back: by the page, then on the console
post() { curl -s -b "$dir/jar" -X POST -H "X-Bedside-Csrf: $csrf" "$@"; }
begin() { post -H 'Content-Type: application/json' -d "{\"size_bytes\":$(stat -c %s "$1")}" "$at/api/v1/restore" | code_of '["id"]'; }
send() { # FILE: sets code; pieces of the size the daemon takes
  id=$(begin "$1")
  local n=0 size
  size=$(stat -c %s "$1")
  while [ $n -lt "$size" ]; do
    tail -c +$((n + 1)) "$1" | head -c 1048576 >"$dir/piece"
    code=$(status -b "$dir/jar" -X POST -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/octet-stream' \
      --data-binary @"$dir/piece" "$at/api/v1/restore/pieces?id=$id&at=$n")
    [ "$code" = 200 ] || return
    n=$((n + $(stat -c %s "$dir/piece")))
  done
  code=$(status -b "$dir/jar" -X POST -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' -d "{\"id\":\"$id\"}" \
    "$at/api/v1/restore/apply")
}
head -c 2000000 "$dir/all.tar" >"$dir/cut.tar"
send "$dir/cut.tar"
check "an archive cut off" $code 422
python3 - "$dir/all.tar" "$dir/bad.tar" <<'PY'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
b[len(b) // 2] ^= 1
open(sys.argv[2], "wb").write(b)
PY
send "$dir/bad.tar"
check "a damaged archive" $code 422
send "$dir/copy.db"
check "no archive" $code 422
check "a piece for nobody" "$(head -c 100000 "$dir/all.tar" | status -X POST --data-binary @- "$at/api/v1/restore/pieces?id=x&at=0")" 413
check "nothing waits" "$(ls "$dir/data" | grep -c restoring)" 0
rm "$dir/data/films/x.mp4"
post -H 'Content-Type: application/json' -d '{"name":"later","password":"correct horse","role":"viewer"}' "$at/api/v1/users" >/dev/null
pid=$daemon
send "$dir/all.tar"
check "a whole archive" $code 200
for _ in $(seq 200); do
  [ "$(grep -c '^Bedside is up' "$dir/out")" = 2 ] && break
  sleep 0.1
done
at=$(grep -oE 'https?://[^ ]+' "$dir/out" | tail -1 | sed -E 's|^(https?://)[^:/]*(:[0-9]+).*|\1127.0.0.1\2|')
check "the same process goes on" "$(kill -0 $pid && echo yes)" yes
check "signed in as then" "$(status -b "$dir/jar" "$at/api/v1/me")" 200
check "users of then" "$(curl -s -b "$dir/jar" "$at/api/v1/users" | code_of '["users"].__len__()')" 1
curl -s -b "$dir/jar" "$at/api/v1/films/01M0000000000000000000000A/video" | cmp - <(tar -xOf "$dir/all.tar" films/x.mp4)
check "the film is back" $? 0
check "what it replaced" "$(ls -d "$dir"/data/replaced-*/bedside.db | wc -l)" 1
finish
check "SIGTERM ends it" $code 0
rm "$dir/data/films/x.mp4"
"$bedside" restore --data "$dir/data" "$dir/all.tar" >/dev/null
check "an archive put back on a console" $? 0
check "the film again" "$(stat -c %s "$dir/data/films/x.mp4")" 3000000
start
check "no link any more" "$(printf '%s' "$link" | grep -c token)" 0
check "still signed in after a restart" "$(status -b "$dir/jar" "$at/api/v1/me")" 200
echo 'another horse' | "$bedside" user passwd root --data "$dir/data" --password-stdin >/dev/null
check "a new password from a console" $? 0
for _ in $(seq 60); do
  last=$(status -b "$dir/jar" "$at/api/v1/me")
  [ "$last" = 401 ] && break
  sleep 0.1
done
check "it ends the logins" "$last" 401
check "and is good" "$(status -d '{"name":"root","password":"another horse"}' -H 'Content-Type: application/json' "$at/api/v1/login")" 200
finish

# ---- TLS of its own, below a path
cat >"$dir/bedside.yaml" <<'YAML'
web:
  tls: self-signed
  base_path: /bedside/
YAML
start --config "$dir/bedside.yaml"
has "an address with TLS" "$link" "https://"
check "TLS below a path" "$(status "$at/bedside/")" 200
has "its base" "$(curl -sk "$at/bedside/")" '<base href="/bedside/">'
has "a cookie for TLS only" "$(curl -ski -d '{"name":"root","password":"another horse"}' -H 'Content-Type: application/json' \
  "$at/bedside/api/v1/login" | grep -i set-cookie)" "Path=/bedside/; HttpOnly; SameSite=Strict; Secure"
finish

echo "$checks checks, $failed failed"
[ $failed -eq 0 ]
