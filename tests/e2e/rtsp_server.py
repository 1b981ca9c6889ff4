#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real RTSP server (gst-rtsp-server) for the end-to-end tests.

rtsp_server.py PORT h264|h265|mjpeg [--udp] [--login USER:PASSWORD] [--size WxH] [--fps N] [--pattern P] [--bitrate KBIT]

Says "port N" when it is ready and "client" for each connection. SIGUSR1 makes the picture 320x240. 77: gst-rtsp-server is not installed.
"""
import argparse
import signal
import sys

try:
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtsp", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer
except (ImportError, ValueError):
    sys.exit(77)

args = argparse.ArgumentParser()
args.add_argument("port")
args.add_argument("codec", choices=["h264", "h265", "mjpeg"])
args.add_argument("--login")
args.add_argument("--udp", action="store_true", help="and no TCP")
args.add_argument("--size", default="640x360")
args.add_argument("--fps", type=int, default=25)
args.add_argument("--pattern", default="smpte")
args.add_argument("--bitrate", type=int, default=600)
args = args.parse_args()
Gst.init(None)
if not Gst.ElementFactory.find("rtph264pay") or not Gst.ElementFactory.find("x265enc" if args.codec == "h265" else "x264enc"):
    sys.exit(77)


def caps(size):
    width, height = size.split("x")
    return f"video/x-raw,format=I420,width={width},height={height},framerate={args.fps}/1"


encoders = {
    "h264": f"x264enc tune=zerolatency speed-preset=ultrafast bitrate={args.bitrate} key-int-max={args.fps} "
    "! rtph264pay name=pay0 config-interval=-1",
    "h265": f"x265enc tune=zerolatency speed-preset=ultrafast bitrate={args.bitrate} key-int-max={args.fps} "
    "option-string=repeat-headers=1:pools=none ! rtph265pay name=pay0 config-interval=-1",
    "mjpeg": "jpegenc ! rtpjpegpay name=pay0",
}
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    f"( videotestsrc is-live=true pattern={args.pattern} ! videoscale ! capsfilter name=size caps={caps(args.size)} "
    f"! {encoders[args.codec]} )"
)
factory.set_shared(True)
if args.udp:
    factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)


sizes = []


def resize():
    for size in sizes:
        size.set_property("caps", Gst.Caps.from_string(caps("320x240")))
    return True


def configured(_factory, media):
    sizes.append(media.get_element().get_by_name("size"))


GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGUSR1, resize)
factory.connect("media-configure", configured)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(args.port)
if args.login:
    user, password = args.login.split(":")
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "reader")
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("reader", "media.factory.access", True)
    permissions.add_permission_for_role("reader", "media.factory.construct", True)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory("/live", factory)
server.connect("client-connected", lambda _server, _client: print("client", flush=True))
server.attach(None)
print("port", server.get_bound_port(), flush=True)
GLib.MainLoop().run()
