# printer_lib: what the tests of one printer that prints under a running daemon share. Sourced after lib.sh.
# shellcheck shell=bash disable=SC2154
need curl
need jq
all='[1,2,3,4,5,6,7,8,9,10,11,12]' # the layers of tests/data/ring.gcode

# watch ID: starts the daemon with $tmp/bedside.yaml and signs in; ID is the printer's.
watch() {
  printer=$1
  "$BEDSIDE" check-config "$tmp/bedside.yaml" || die "the configuration is refused"
  printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null
  serve
}
# serve: the daemon, also once more after it was killed.
serve() {
  rm -f "$tmp/serve.out" # of the life before
  "$BEDSIDE" serve --config "$tmp/bedside.yaml" >"$tmp/serve.out" 2>>"$tmp/serve.log" &
  daemon=$!
  pids+=("$daemon")
  until_true 60 test -s "$tmp/serve.out" && until_true 60 grep -q 'is up' "$tmp/serve.out" || die "the daemon does not start"
  base=$(address_of "$tmp/serve.out")api/v1
  csrf=$(curl -sf -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "$base/login" | jq -r .csrf)
}
get() { curl -sf --max-time 20 -b "$tmp/jar" "$base/$1"; }
holds() { get "$1" | jq -e "$2" >/dev/null; }
is() { holds "printers/$printer" "$1"; }
expect() { # WHAT BODY JQ
  local answer
  answer=$(curl -s --max-time 120 -b "$tmp/jar" -H 'Content-Type: application/json' -H "X-Bedside-Csrf: $csrf" -d "$2" "$base/printers/$printer/commands")
  jq -e "$3" <<<"$answer" >/dev/null || die "$1: $answer"
}
order() { expect "$1" "{\"command\":\"$1\"}" '.answer == "acknowledged"'; }
start() { expect "start" "{\"command\":\"start_file\",\"file\":\"${1:-ring.gcode}\"}" '.answer == "acknowledged"'; }
layers() { get "printers/$printer/layers" | jq -c '[.layers[].number]'; }
# How often the link was lost, as the log says.
lost() { grep -c 'connection was lost\|Cannot reach it' "$tmp/serve.log" || true; }
# The print ends well, and each layer of the ring was said once.
finishes() {
  until_true 300 is '.activity == "finished"' || die "it does not finish: $(get "printers/$printer" | jq -c '[.activity, .link, .job]')"
  until_true 60 holds jobs '.jobs[0].outcome == "finished"' || die "the job: $(get jobs | jq -c '.jobs[0]')"
  [ "$(layers)" = "$all" ] || die "layers are not counted once each: $(layers)"
}
