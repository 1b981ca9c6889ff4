# SPDX-License-Identifier: GPL-3.0-or-later
# cert_lib: an authority of our own in the current folder, own.pem, which signs what is expired and of tomorrow, too. Sourced.
# shellcheck shell=bash
need openssl
openssl req -x509 -newkey rsa:2048 -nodes -keyout own.key -out own.pem -days 30 -subj '/CN=Test CA' 2>/dev/null
mkdir newcerts
: >index.txt
cat >ca.cnf <<CNF
[ca]
default_ca = own
[own]
database = index.txt
rand_serial = yes
new_certs_dir = newcerts
certificate = own.pem
private_key = own.key
default_md = sha256
policy = any
[any]
commonName = supplied
CNF
leaf() { # NAME CN FROM TO [ALTERNATIVE_NAME]: NAME.pem and NAME.key
  echo "${5:+subjectAltName=$5}" >"$1.ext"
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$2" 2>/dev/null
  openssl ca -batch -config ca.cnf -extfile "$1.ext" -in "$1.csr" -out "$1.pem" -startdate "$3" -enddate "$4" -notext 2>/dev/null
}
year=$(date -u +%Y)
