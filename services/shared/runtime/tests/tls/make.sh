#!/bin/sh
# Makes the certificates of these tests anew: an authority, a server, a second server, a client. Needs openssl.
set -eu
cd "$(dirname "$0")"
days=36500
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }
key ca
openssl req -x509 -new -key ca.key -days $days -subj "/CN=test authority" -addext "basicConstraints=critical,CA:TRUE" \
  -addext "keyUsage=critical,keyCertSign" -out ca.pem
sign() {
    key "$1"
    printf 'subjectAltName=%s\nextendedKeyUsage=%s\nbasicConstraints=CA:FALSE\n' "$2" "$3" > ext
    openssl req -new -key "$1.key" -subj "/CN=$1" | openssl x509 -req -CA ca.pem -CAkey ca.key -days $days -extfile ext -out "$1.pem"
    rm -f ext
}
sign server IP:127.0.0.1,DNS:first.test serverAuth
sign renewed IP:127.0.0.1,DNS:second.test serverAuth
sign client DNS:client.test clientAuth
rm -f ca.key ca.srl
