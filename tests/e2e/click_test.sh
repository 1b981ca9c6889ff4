#!/usr/bin/env bash
# click: a whole job on a simulated A1 whose tool head presses the button as our own macros (bedside snippets) let it:
# three strokes before the first layer begin the session, one in each layer takes its picture, four pause it for a
# change of filament and go on after it, the maker's wipes between them do nothing, one at the end takes the part and
# three stop it and make the film. Pictures and film are compared with the layers.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need ffprobe
need python3
layers=8

mkdir -p "$tmp/storage"
"$BEDSIDE" simulate job --shape cube --model A1 --layers $layers --filaments 2 "$tmp/plain.gcode.3mf"
"$BEDSIDE" snippets --printer A1 --mode click --clicks-rule --json >"$tmp/snippets.json" || die "no snippets"
# What a slicer does with our macros: each piece where its field stands, its conditions decided and its numbers put in.
python3 - "$tmp/plain.gcode.3mf" "$tmp/storage/job.gcode.3mf" "$tmp/snippets.json" <<'PY'
import hashlib, json, re, sys, zipfile
NAME = "Metadata/plate_1.gcode"
pieces = {s["id"]: s["text"] for s in json.load(open(sys.argv[3]))["snippets"]}
def macro(name, layer, z):
    values = {"spiral_mode": False, "print_sequence": "by layer", "in_head_wrap_detect_zone": False, "layer_num": layer - 1, "max_layer_z": z}
    def value(expression):
        return eval(re.sub(r"!(?!=)", " not ", expression).replace("&&", " and "), {}, values)
    out, stack = [], [True]
    for line in pieces[name].splitlines():
        if line.startswith("{if "):
            stack.append(stack[-1] and value(line[4:-1]))
        elif line == "{endif}":
            stack.pop()
        elif stack[-1]:
            out.append(re.sub(r"\{(.*?)\}", lambda m: f"{value(m[1]):g}", line) + "\n")
    assert stack == [True], name
    return "".join(out)
def before(text, mark, piece):
    assert text.count(mark) == 1, mark
    return text.replace(mark, piece + mark)
source = zipfile.ZipFile(sys.argv[1])
start, *layers, end = re.split(r"(?=^; CHANGE_LAYER\n|^; MACHINE_END_GCODE_START\n)", source.read(NAME).decode(), flags=re.M)
start = before(start, "; MACHINE_START_GCODE_END\n", macro("start", 1, 0))
block = re.compile(r"; SKIPPABLE_START\n; SKIPTYPE: timelapse\n.*?; SKIPPABLE_END\n", re.S)
# The maker's own change wipes the nozzle at the switch, three times.
wipes = "M400 S3\n" + "G1 X-38.2 F18000\nG1 X-48.2 F3000\n" * 3 + "G1 X-38.2 F18000\nM400 S3\n"
for i, text in enumerate(layers):
    z = float(re.search(r"^; Z_HEIGHT: (\S+)", text, re.M)[1])
    picture, change = macro("layer", i + 1, z), "; CP TOOLCHANGE START\n"
    assert len(block.findall(text)) == 1
    if change in text:
        # The picture of a layer is taken before its filament is changed.
        text = before(block.sub("", text), change, picture)
        text = text.replace(change, change + macro("filament_before", i + 1, z))
        text = before(text, "; CP TOOLCHANGE END\n", wipes + macro("filament_behind", i + 1, z))
        layers[i] = text
    else:
        layers[i] = block.sub(lambda _: picture, text)
end = macro("end", len(layers), z) + end
text = start + "".join(layers) + end
assert text.count("; Bedside: ") == len(layers) + 4
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED) as out:
    for i in source.infolist():
        data = source.read(i)
        if i.filename == NAME:
            data = text.encode()
        elif i.filename == NAME + ".md5":
            data = hashlib.md5(text.encode()).hexdigest().upper().encode()
        out.writestr(i, data)
PY
mkfifo "$tmp/orders"
sleep 900 >"$tmp/orders" &
pids+=($!)
"$BEDSIDE" simulate bambu --model A1 --serial 03900A4E2E00001 --code 11223344 --storage "$tmp/storage" \
  --cert-dir "$tmp/certs" --no-ssdp --speed 3 --camera-fps 5 --button "$tmp/data/button" \
  >"$tmp/sim.out" 2>"$tmp/sim.log" <"$tmp/orders" &
pids+=($!)
until_true 20 test -s "$tmp/sim.out" || die "the simulator does not start"
port() { jq -r ".ports.$1" "$tmp/sim.out"; }
cat >"$tmp/bedside.yaml" <<YAML
data: $tmp/data
log: debug
ca_file: $(jq -r .ca_file "$tmp/sim.out")
web: {port: 0}
film: {preset: ultrafast, hold: 0s}
button: {simulated: yes, printer: Sim, window: 600ms}
lights: {simulated: yes}
printers:
  - name: Sim
    address: 127.0.0.1
    serial: 03900A4E2E00001
    access_code: "11223344"
    ports: {mqtt: $(port mqtt), ftps: $(port ftps), camera: $(port camera), detect: $(port detect)}
    session: {auto_start: no, auto_stop: no, every_n_layers: 0}
YAML
"$BEDSIDE" check-config "$tmp/bedside.yaml" || die "the configuration is refused"
printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null || die "user add"
"$BEDSIDE" serve --config "$tmp/bedside.yaml" >"$tmp/serve.out" 2>"$tmp/serve.log" &
pids+=($!)
until_true 60 grep -q 'is up' "$tmp/serve.out" || die "the daemon does not start"
base=$(address_of "$tmp/serve.out")
curl -sf -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "${base}api/v1/login" >/dev/null || die "login"
get() { curl -sf --max-time 10 -b "$tmp/jar" "${base}api/v1/$1"; }
online() { get printers | jq -e '.printers[0].link.state == "online"' >/dev/null; }
shows() { get panel | jq -e --arg s "$1" '.panel.lights.show == $s' >/dev/null; }
filmed() { get films | jq -e '.films[0].state == "verified"' >/dev/null; }

until_true 60 online || die "the printer is not online"
until_true 10 shows idle || die "the lights: $(get panel)"
echo "print $tmp/storage/job.gcode.3mf" >"$tmp/orders"
until_true 240 shows recording || die "the tool head does not begin the session: $(grep button "$tmp/serve.log")"
until_true 400 filmed || die "there is no film: $(grep 'button:' "$tmp/serve.log")"

id=$(get sessions | jq -r '.sessions[0].id')
get "sessions/$id/frames?limit=500" >"$tmp/frames"
pressed=$(jq '[.frames[] | select(.trigger == "button")] | length' "$tmp/frames")
[ "$(get sessions | jq '.sessions | length')" = 1 ] || die "more than one session"
# One picture of each layer, and one at the end; each of a later layer than the one before.
[ "$pressed" = $((layers + 1)) ] || die "$pressed pictures of $layers layers: $(grep 'button:' "$tmp/serve.log")"
# The printer tells of a layer's beginning up to a second late: one may be taken for its neighbour.
jq -e --argjson n $layers '[.frames[] | select(.trigger == "button") | .layer] | . == sort and (unique | length) >= $n - 1 and last == $n' \
  "$tmp/frames" >/dev/null ||
  die "the layers: $(jq -c '[.frames[] | select(.trigger == "button") | .layer]' "$tmp/frames")"
said() { grep 'button: . click' "$tmp/serve.log" | sed 's/.*button: \(.\) clicks*, \([a-z_]*\):.*/\1 \2/' | uniq -c | awk '{ print $1 "x" $2, $3 }' | paste -sd ,; }
[ "$(said)" = "1x3 start_stop,5x1 frame,1x4 pause_resume,1x3 none,1x4 pause_resume,$((layers - 4))x1 frame,1x3 start_stop" ] ||
  die "the clicks: $(said): $(grep 'button:' "$tmp/serve.log")"
grep -q 'button: 3 clicks, none: .*taken for the wiping' "$tmp/serve.log" || die "the wipes are not known: $(grep 'button:' "$tmp/serve.log")"
film=$(get films | jq -r '.films[0].id')
curl -sf -b "$tmp/jar" -o "$tmp/film.mp4" "${base}api/v1/films/$film/video"
in_film=$(ffprobe -v error -count_frames -select_streams v:0 -show_entries stream=nb_read_frames -of csv=p=0 "$tmp/film.mp4")
all=$(jq '.frames | length' "$tmp/frames")
[ "$in_film" = "$all" ] || die "$all pictures, $in_film in the film"
until_true 20 shows idle || die "the lights at the end: $(get panel)"
echo "$layers layers, $pressed pictures by the tool head, $in_film in the film"
