#!/bin/sh
# manual: bedside.yaml(5) from the option tables. usage: tools/manual.sh BEDSIDE > bedside.yaml.5
set -eu
cat <<'EOF'
.Dd November 21, 2026
.Dt BEDSIDE.YAML 5
.Os
.Sh NAME
.Nm bedside.yaml
.Nd settings of Bedside
.Sh DESCRIPTION
A YAML file: keys, lists and comments; no anchors, no tags.
Times are written as 500ms, 30s, 5m, 2h or 7d, sizes as 500 MB or 20 GB.
Secrets may stand in files of their own or in the environment.
.Sh KEYS
EOF
"$1" check-config --manual
cat <<'EOF'
.Sh EXAMPLES
.Bd -literal -offset indent
printers:
  - name: A1 by the window
    address: 192.168.1.50
    serial: 03900A400001111
    access_code: "12345678"
.Ed
.Sh SEE ALSO
.Xr bedside 1
EOF
