#!/usr/bin/env bash
# Makes every certificate and key of this folder anew, with openssl. Test only: the keys are
# in the repository, so nothing outside the tests may ever trust this CA.
# Last run: 2026-11-20. The valid ones run for a hundred years, so that no test fails on a birthday.
#
# usage: bash certs/regenerate.sh
set -euo pipefail
cd "$(dirname "$0")"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
valid_from=20200101000000Z
valid_until=21200101000000Z

new_key() { # NAME
  openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"
}

# `openssl ca` is used because `openssl x509` of Debian 12 cannot set the start of validity,
# which the expired certificate needs.
cat > "$scratch/ca.cnf" <<CNF
[ca]
default_ca = test_ca
[test_ca]
database = $scratch/index.txt
serial = $scratch/serial
new_certs_dir = $scratch
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
CN = wstap test CA
[ca_ext]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server_ext]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = \${ENV::ALT_NAMES}
[client_ext]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CNF
: > "$scratch/index.txt"
openssl rand -hex 16 > "$scratch/serial"
export ALT_NAMES=DNS:unused.example

sign() { # NAME COMMON_NAME EXTENSIONS FROM UNTIL [more `openssl ca` options]
  openssl req -new -key "$1.key" -subj "/CN=$2" -config "$scratch/ca.cnf" -out "$scratch/$1.csr"
  openssl ca -batch -notext -config "$scratch/ca.cnf" -in "$scratch/$1.csr" -out "$1.crt" \
    -extensions "$3" -startdate "$4" -enddate "$5" "${@:6}" 2> "$scratch/log" || { cat "$scratch/log" >&2; exit 1; }
}

new_key ca
sign ca "wstap test CA" ca_ext "$valid_from" "$valid_until" -selfsign -keyfile ca.key
issued_by_ca=(-cert ca.crt -keyfile ca.key)

new_key server
ALT_NAMES=DNS:localhost,IP:127.0.0.1,IP:::1 \
  sign server localhost server_ext "$valid_from" "$valid_until" "${issued_by_ca[@]}"

new_key expired
ALT_NAMES=DNS:localhost,IP:127.0.0.1,IP:::1 \
  sign expired localhost server_ext 20200101000000Z 20210101000000Z "${issued_by_ca[@]}"

new_key other-name
ALT_NAMES=DNS:gateway.example \
  sign other-name gateway.example server_ext "$valid_from" "$valid_until" "${issued_by_ca[@]}"

new_key client
sign client "wstap test client" client_ext "$valid_from" "$valid_until" "${issued_by_ca[@]}"

chmod 600 ./*.key
for name in ca server other-name client; do
  openssl verify -CAfile ca.crt "$name.crt" > /dev/null
done
if openssl verify -CAfile ca.crt expired.crt > /dev/null 2>&1; then
  echo "expired.crt is not expired" >&2
  exit 1
fi
sed -i "s/^# Last run: [^.]*\./# Last run: $(date -u +%F)./" "$(basename "$0")"
