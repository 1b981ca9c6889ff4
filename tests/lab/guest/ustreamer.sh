# ustreamer: the same USB camera, served in turn by us and by ustreamer to the same viewers: processor time of each for
# 1000 pictures delivered. Lines "RESULT who ms" are for the host.
. /lab/lib.sh
. /lab/ustreamer.conf
load vhci-hcd && load uvcvideo || die "no drivers"
camera 0 A1 "$fps" /lab/hd.jpg
is_there() { [ -e /dev/video0 ]; }
until_true 20 is_there || die "the camera does not appear"
cat >bedside.yaml <<'YAML'
data: /tmp/data
web: {listen: 127.0.0.1, port: 8484, camera_clients: [127.0.0.1]}
cameras:
  - {name: One, driver: v4l2, source: "usb:1209:0001:A1"}
YAML
printf 'correct horse\n' | bedside user add admin --data /tmp/data --role admin --password-stdin >/dev/null || die "user add"

# look WHO PID PORT
look() {
  viewers -p "$2" 127.0.0.1 "$3" /stream "$viewers" "$seconds" >"seen.$1.log" 2>&1 || die "$1 serves nothing: $(cat "seen.$1.log")"
  say "$1: $(tr '\n' ' ' <"seen.$1.log")"
  echo "RESULT $1 $(sed -n 's/^cpu_ms_per_1000 //p' "seen.$1.log") $(sed -n 's/^pictures //p' "seen.$1.log")"
  kill "$2"
  wait "$2" || true
}
answers() { curl -sf -o snapshot.jpg "http://127.0.0.1:$1/snapshot" && [ "$(stat -c %s snapshot.jpg)" -gt 50000 ]; }

round=0
while [ $round -lt "$rounds" ]; do
  round=$((round + 1))
  bedside serve --config bedside.yaml >serve.out 2>serve.log &
  bedside=$!
  until_true 60 answers 8484 || die "no picture of ours"
  look bedside $bedside 8484
  # MJPEG of the camera passed on as it is, its fastest way.
  ustreamer --device /dev/video0 --format MJPEG --encoder HW --resolution 1920x1080 --desired-fps "$fps" --host 127.0.0.1 --port 8090 \
    >ustreamer.log 2>&1 &
  ustreamer=$!
  until_true 60 answers 8090 || die "no picture of ustreamer"
  look ustreamer $ustreamer 8090
done
finish
