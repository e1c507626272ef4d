#!/usr/bin/env bash
# Makes a throw-away PKI: root -> intermediate -> one leaf per name. For tests, demo and bench only.
#
# Usage: tools/certs.sh DIR [--expired | --future | --rsa] FILE=NAME[,NAME...] ...
#   DIR/root.pem          what clients trust
#   DIR/intermediate.pem  what servers send after their leaf
#   DIR/FILE.key          private key (EC P-256; RSA-2048 after --rsa)
#   DIR/FILE.leaf.pem     the leaf alone: what a server sends when its intermediate was forgotten
#   DIR/FILE.pem          leaf and intermediate, in the order a server sends them
# NAME is a DNS name, a wildcard or an IPv4 address. --expired, --future and --rsa hold for the names after them.
# Called again for the same DIR it adds leaves to the PKI that is there.
set -euo pipefail

if [ $# -lt 1 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0"
    [ $# -ge 1 ] && exit 0 || exit 64
fi

mkdir -p "$1"
cd "$1"
shift

new_key() { # FILE KIND
    if [ "$2" = rsa ]; then
        openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1" 2>/dev/null
    else
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
    fi
}

# `openssl ca` because it is the one command that can write a certificate of the past.
ca_config() { # SIGNER
    cat <<EOF
[ca]
default_ca = signer
[signer]
new_certs_dir = .
database = $1.index
serial = $1.serial
certificate = $1.pem
private_key = $1.key
default_md = sha256
policy = anything
unique_subject = no
copy_extensions = none
[anything]
commonName = supplied
EOF
}

sign() { # SIGNER REQUEST OUT EXTENSIONS START END
    ca_config "$1" >"$1.cnf"
    openssl ca -batch -notext -config "$1.cnf" -in "$2" -out "$3" -startdate "$5" -enddate "$6" \
        -extfile <(printf '%s\n' "$4") 2>openssl.log || { cat openssl.log >&2; exit 1; }
    rm -f "$2"
}

year=$(date -u +%Y)
start=$((year - 1))0101000000Z
end=$((year + 1))1231235959Z

if [ ! -f intermediate.pem ]; then
    new_key root.key ec
    openssl req -x509 -new -key root.key -subj "/CN=hopgate throw-away root" -days 365 -out root.pem \
        -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
    for signer in root intermediate; do
        : >$signer.index
        openssl rand -hex 15 >$signer.serial
    done
    new_key intermediate.key ec
    openssl req -new -key intermediate.key -subj "/CN=hopgate throw-away intermediate" -out request 2>/dev/null
    sign root request intermediate.pem "basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid" "$start" "$end"
fi

kind=ec
leaf_start=$start
leaf_end=$end
for argument in "$@"; do
    case "$argument" in
    --rsa)
        kind=rsa
        continue
        ;;
    --future)
        leaf_start=$((year + 1))0101000000Z
        continue
        ;;
    --expired)
        leaf_start=$((year - 2))0101000000Z
        leaf_end=$((year - 1))0102000000Z
        continue
        ;;
    esac
    file=${argument%%=*}
    names=${argument#*=}
    alternatives=
    IFS=, read -ra each_name <<<"$names" # not split by the shell: a wildcard would meet file names
    for name in "${each_name[@]}"; do
        case "$name" in
        *[!0-9.]*) alternatives+=,DNS:$name ;;
        *) alternatives+=,IP:$name ;;
        esac
    done
    new_key "$file.key" "$kind"
    openssl req -new -key "$file.key" -subj "/CN=${names%%,*}" -out request 2>/dev/null
    sign intermediate request "$file.leaf.pem" "basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=${alternatives#,}" "$leaf_start" "$leaf_end"
    cat "$file.leaf.pem" intermediate.pem >"$file.pem"
done
rm -f openssl.log ./*.cnf ./*.old ./*.attr
find . -maxdepth 1 -regex '\./[0-9A-F]+\.pem' -delete
