# power_cut: photographs as fast as it may onto the disk that loses its cache, until the power goes. What the
# console shows as told is what the host then looks for.
. /lab/lib.sh
load virtio_pci && load virtio_blk && load ext4 && load vhci-hcd && load uvcvideo || die "no drivers"
camera 0 A1 15 /lab/small.jpg
has_disk() { [ -b /dev/vda ]; }
until_true 20 has_disk || die "no disk"
mount -t ext4 /dev/vda /disk || die "the disk cannot be mounted"
printer 8
mkdir -p /disk/data
# What is dirty goes to the disk soon, so that its cache holds something when the power goes.
echo 5 >/proc/sys/vm/dirty_writeback_centisecs
echo 5 >/proc/sys/vm/dirty_expire_centisecs
{
  printf 'data: /disk/data\nlog: debug\nweb: {port: 8484}\nstorage: {floor: 10 MB, flush: 150ms}\n'
  printer_yaml
  echo '    session: {film: no, every: 100ms, cameras: [One]}'
  echo 'cameras:'
  echo '  - {name: One, driver: v4l2, source: "usb:1209:0001:A1"}'
} >bedside.yaml
bedside check-config bedside.yaml >check.log 2>&1 || die "the configuration is refused: $(cat check.log)"
say "ready"
# Somebody else writes as well, and does not flush.
noise() { while dd if=/dev/urandom of=/disk/noise bs=16k count=4 conv=notrunc 2>/dev/null; do usleep 100000; done; }
noise &
bedside serve --config bedside.yaml 2>&1 &
online() { bedside status --config bedside.yaml 2>/dev/null | grep -q ': online'; }
until_true 60 online || die "the printer is not online"
print_job
sleep 1000
