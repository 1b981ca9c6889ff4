# octoprint_lib: the real OctoPrint with its virtual printer, for tests. Sourced after lib.sh.
# shellcheck shell=bash disable=SC2154
# It comes from the Python registry into a virtual environment outside of the tree, which stays for the next
# time: $BEDSIDE_TEST_CACHE, or ~/.cache/bedside-tests.
octoprint_key=BEDSIDETESTKEYABCDEFGHIJKLMNOPQR

# octoprint_install MAJOR: the newest of that version; skips, with the reason, where it cannot be had.
octoprint_install() {
  local cache=${BEDSIDE_TEST_CACHE:-$HOME/.cache/bedside-tests} wanted='OctoPrint>=1.11,<2'
  [ "$1" = 1 ] || wanted='OctoPrint>=2.0.0rc1,<3'
  octoprint_venv=$cache/octoprint-$1
  [ ! -x "$octoprint_venv/bin/octoprint" ] || return 0
  need python3
  mkdir -p "$cache"
  echo "installing $wanted into $octoprint_venv"
  exec 8>"$cache/lock"
  flock 8
  rm -rf "$octoprint_venv.new"
  python3 -m venv "$octoprint_venv.new" >"$tmp/venv.log" 2>&1 || { echo "skipped: python3 has no venv"; exit 77; }
  "$octoprint_venv.new/bin/pip" install --no-input --quiet --pre "$wanted" >"$tmp/pip.log" 2>&1 || {
    echo "skipped: pip does not get $wanted: $(tail -n 1 "$tmp/pip.log")"
    exit 77
  }
  # The scripts name their folder: it is made where it stays, and marked when whole.
  rm -rf "$octoprint_venv"
  mv "$octoprint_venv.new" "$octoprint_venv"
  sed -i "s|$octoprint_venv.new|$octoprint_venv|g" "$octoprint_venv/bin/octoprint"
  exec 8>&-
}

# octoprint_configure [THROTTLE [EXTRA]]: a fresh one in $tmp/octoprint with a user 'tester', password 'secret'. THROTTLE:
# seconds that the virtual printer takes for a line; EXTRA: more settings of the virtual printer.
octoprint_configure() {
  local base=$tmp/octoprint
  octoprint_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  octoprint_url=http://127.0.0.1:$octoprint_port
  mkdir -p "$base"
  cat >"$base/config.yaml" <<EOF
server:
  firstRun: false
  seenWizards: {corewizard: 4, backup: 1, tracking: 1, classicwebcam: 1}
  onlineCheck: {enabled: false}
  pluginBlacklist: {enabled: false}
  pluginBlocklist: {enabled: false}
accessControl: {salt: abcdefghijklmnopqrstuvwxyz012345}
plugins:
  virtual_printer: {enabled: true, throttle: ${1:-0.01}${2:+, $2}}
  tracking: {enabled: false}
  _disabled: [softwareupdate, announcements, pi_support, discovery, errortracking, achievements, pluginmanager,
    firmware_check, file_check, backup, health_check]
serial: {autoconnect: true, port: VIRTUAL, baudrate: 115200}
printerConnection: {autoconnect: true, preferred: {connector: serial, parameters: {port: VIRTUAL, baudrate: 115200}}}
webcam: {webcamEnabled: false}
EOF
  "$octoprint_venv/bin/octoprint" --basedir "$base" user add tester --password secret --admin >"$tmp/user.log" 2>&1 ||
    die "octoprint user add"
  sed -i "s/apikey:.*/apikey: $octoprint_key/" "$base/users.yaml"
}

octoprint() { # METHOD PATH [JSON]
  curl -sf --max-time 20 -X "$1" -H "X-Api-Key: $octoprint_key" ${3:+-H 'Content-Type: application/json' -d "$3"} "$octoprint_url$2"
}
octoprint_is_operational() { octoprint GET /api/printer | jq -e '.state.flags.operational' >/dev/null; }

octoprint_start() {
  "$octoprint_venv/bin/octoprint" serve --basedir "$tmp/octoprint" --host 127.0.0.1 --port "$octoprint_port" --iknowwhatimdoing \
    >>"$tmp/octoprint.log" 2>&1 &
  octoprint_pid=$!
  pids+=("$octoprint_pid")
  until_true 180 octoprint_is_operational || die "OctoPrint does not become operational"
}

octoprint_upload() { # FILE [PRINT]
  curl -sf --max-time 60 -H "X-Api-Key: $octoprint_key" -F "file=@$1" -F "print=${2:-false}" "$octoprint_url/api/files/local" >/dev/null ||
    die "the upload of $1"
}

# octoprint_decide true|false: what a person presses when an application asks for a key.
octoprint_decide() {
  local cookies=$tmp/octoprint.cookies csrf token
  rm -f "$cookies"
  curl -sf -L --max-time 60 -b "$cookies" -c "$cookies" -o /dev/null "$octoprint_url/"
  csrf=$(awk '/csrf_token/ { print $7 }' "$cookies")
  curl -sf --max-time 20 -b "$cookies" -c "$cookies" -o /dev/null -H "X-CSRF-Token: $csrf" -H 'Content-Type: application/json' \
    -d '{"user":"tester","pass":"secret"}' "$octoprint_url/api/login" || die "OctoPrint's own login"
  csrf=$(awk '/csrf_token/ { print $7 }' "$cookies")
  token=$(curl -sf --max-time 20 -b "$cookies" "$octoprint_url/api/plugin/appkeys" | jq -r '.pending | keys[0]')
  curl -sf --max-time 20 -b "$cookies" -H "X-CSRF-Token: $csrf" -H 'Content-Type: application/json' -d "{\"decision\":$1}" \
    "$octoprint_url/plugin/appkeys/decision/$token" || die "the decision"
}

# pss PID: kilobytes of a process, shared pages divided.
pss() { awk '/^Pss:/ { print $2 }' "/proc/$1/smaps_rollup"; }
