#!/usr/bin/env bash
# setup: five answers on standard input make a configuration that the daemon starts with; what somebody wrote is
# left alone, and a wrong answer leaves nothing behind.
. "$(dirname "$0")/lib.sh"
need curl
export HOME=$tmp XDG_DATA_HOME=$tmp/share
file=$tmp/etc/bedside.yaml
answers() { printf '%s\n' "$@"; }
setup() { "$BEDSIDE" setup --config "$file" >"$tmp/out" 2>"$tmp/setup.log"; }
password='correct horse battery'

# A printer by its address, no camera, nothing wired, alone; yes; an administrator.
answers 'Workshop' bambu 'A1 by the window' 192.0.2.50 03900A400001111 12345678 none none alone yes admin "$password" | setup || die "setup"
grep -q 12345678 "$file" || die "the access code is not in the file"
if grep -q 12345678 "$tmp/out" "$tmp/setup.log"; then die "the access code was shown"; fi
if grep -q "$password" "$tmp/out" "$tmp/setup.log" "$file"; then die "the password was shown or written"; fi
[ "$(stat -c %a "$file")" = 600 ] || die "others can read the file"
"$BEDSIDE" check-config "$file" | grep -q 'fine; 1 printers' || die "check-config does not take it"
"$BEDSIDE" user list --config "$file" | grep -q '^admin .*admin' || die "there is no administrator"
"$BEDSIDE" serve --config "$file" --port 0 >"$tmp/serve.out" 2>"$tmp/serve.log" &
pids+=($!)
until_true 60 grep -q 'is up' "$tmp/serve.out" || die "the daemon does not start with it"
curl -sf --max-time 20 "$(address_of "$tmp/serve.out")api/v1/start" | grep -q '"needs_setup": *false' || die "the daemon knows no administrator"

# Not twice.
before=$(cksum <"$file")
if answers Elsewhere none none none alone yes '' | setup; then die "a configuration was overwritten"; fi
grep -q 'stays as it is' "$tmp/setup.log" || die "why is not said"
[ "$(cksum <"$file")" = "$before" ] || die "the file was changed"

# The package's own file says only where the data are: it is replaced, and keeps that, its owner and its mode.
printf '# nothing yet\ndata: %s/films\n' "$tmp" >"$file"
chmod 640 "$file"
[ "$(id -u)" -ne 0 ] || chown root:nogroup "$file"
answers Shed moonraker Voron http://voron.local:7125 '' '' none 'lights sensor' alone yes '' | setup || die "setup over an empty configuration"
grep -q "^data: \"$tmp/films\"" "$file" || die "the data folder was forgotten"
grep -q '^lights: {}' "$file" && grep -q 'location: "Shed"' "$file" || die "what is wired was forgotten"
[ "$(stat -c %a "$file")" = 640 ] || die "the mode was changed"
[ "$(id -u)" -ne 0 ] || [ "$(stat -c %G "$file")" = nogroup ] || die "the group was changed"

# A hub that does not answer: the rest is done, and the words say what is left to do.
rm -f "$file"
if answers Shed none none none http://127.0.0.1:9 ABCD1234 yes '' | setup; then die "paired with nobody"; fi
grep -q 'not paired yet' "$tmp/setup.log" && [ -s "$file" ] || die "no word of the hub"

# Wrong answers, a no at the end, and answers that end too early: words, and nothing is left.
refused() {
  rm -f "$file"
  if answers "${@:2}" | setup; then die "taken: ${*:2}"; fi
  grep -q "$1" "$tmp/setup.log" || die "no word of '$1': $(tail -n 1 "$tmp/setup.log")"
  [ ! -e "$file" ] && [ ! -e "$file.new" ] || die "something was left behind"
}
refused "none of .*moonraker" Shed makerbot
refused "capital letters and digits" Shed bambu A1 192.0.2.50 tiny
refused "address" Shed octoprint Prusa 'not an address'
refused "'siren' is none of" Shed none none 'button siren'
refused "as you said" Shed none none none alone no
refused "there is no answer" Shed bambu A1 192.0.2.50
echo PASS
