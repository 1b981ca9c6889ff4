#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# pair: a printer that is paired on the console is taken up by the daemon that runs, and by the next start if none does. The
# OctoPrint is played: octoprint_test.sh pairs with the real one.
. "$(dirname "$0")/lib.sh"
need python3
need jq
cat >"$tmp/octoprint.py" <<'EOF2'
import http.server, json, sys

class Played(http.server.BaseHTTPRequestHandler):
    def say(self, status, body=None, **headers):
        data = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k, v)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/plugin/appkeys/probe":
            self.say(204)
        elif self.path.startswith("/plugin/appkeys/request/"):
            self.say(200, {"api_key": "0123456789ABCDEF0123456789ABCDEF"})
        else:
            self.say(404, {})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.say(201, {"app_token": "tok"}, Location=f"http://{self.headers['Host']}/plugin/appkeys/request/tok")

    def log_message(self, *a):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Played)
print(server.server_port, flush=True)
server.serve_forever()
EOF2
python3 "$tmp/octoprint.py" >"$tmp/port" 2>"$tmp/octoprint.log" &
pids+=($!)
until_true 30 test -s "$tmp/port" || die "the played OctoPrint does not start"
port=$(cat "$tmp/port")

# ---- none runs: the next start takes it up ----
"$BEDSIDE" pair --data "$tmp/data" --name First "http://127.0.0.1:$port" >"$tmp/pair.out" || die "pair: $(cat "$tmp/pair.out")"
grep -q 'The next start takes it up' "$tmp/pair.out" || die "what is next is not said: $(cat "$tmp/pair.out")"
printf 'data: %s\nweb: {port: 0}\n' "$tmp/data" >"$tmp/bedside.yaml"
printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null
"$BEDSIDE" serve --config "$tmp/bedside.yaml" >"$tmp/serve.out" 2>"$tmp/serve.log" &
pids+=($!)
until_true 60 grep -q 'is up' "$tmp/serve.out" || die "the daemon does not start"
ids() { "$BEDSIDE" status --json --data "$tmp/data" | jq -c '[.printers[].id]'; }
[ "$(ids)" = '["first"]' ] || die "the next start does not know it: $(ids)"

# ---- it runs: taken up at once ----
"$BEDSIDE" pair --data "$tmp/data" --name Second "http://localhost:$port" >"$tmp/pair.out" || die "pair: $(cat "$tmp/pair.out")"
grep -q 'watches it already' "$tmp/pair.out" || die "it is not said that it is watched: $(cat "$tmp/pair.out")"
[ "$(ids)" = '["first","second"]' ] || die "the running daemon does not know it: $(ids)"
[ "$(stat -c %a "$tmp/data/printers.d/second.yaml")" = 600 ] || die "the key can be read by others"
grep -q 'api_key: .*0123456789ABCDEF' "$tmp/data/printers.d/second.yaml" || die "the key is not kept"
! "$BEDSIDE" pair --data "$tmp/data" --name Second "http://127.0.0.1:$port/other" >"$tmp/pair.out" 2>&1 || die "two of one name"
! grep -q 0123456789ABCDEF "$tmp/serve.log" || die "the key stands in the log"
echo "ok: paired with and without a daemon"
