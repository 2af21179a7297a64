#!/bin/sh
# Checks this release without any network: that it is signed, that every file is there and is the one
# that was signed, that the files belong to one image, and that Docker has no other image of its name.
#
# usage: ./verify.sh [--key FINGERPRINT] [--golden]
#   --key     fingerprint of the supplier's key, which the supplier has told you by another way
#   --golden  load the image too, and compare its answers with those of the model that was evaluated
#
# Needs sh, sha256sum, openssl and tar; --golden needs docker. Exit status: 0 if all is as it should
# be, 1 if something is not (the last line says what), 2 for a wrong option.
set -eu
LC_ALL=C
export LC_ALL
unset CDPATH
cd "$(dirname "$0")"

key='' golden=false container=''

usage() { sed -n '/^# usage/,/^#$/{s/^# \{0,1\}//;p;}' "$0" >&2; exit 2; }

refuse() { echo "REFUSED: $1" >&2; exit 1; }

fact() { sed -n 's/^ *"'"$1"'": "\{0,1\}\([^"]*[^",]\)"\{0,1\},\{0,1\}$/\1/p' release.json; }

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

check_signature() {
  for file in SHA256SUMS SHA256SUMS.sig key.pub; do
    [ -f "$file" ] || refuse "$file is missing"
  done
  fingerprint=$(openssl pkey -pubin -in key.pub -outform DER 2>/dev/null | sha256 | cut -c 1-64)
  [ -z "$key" ] || [ "$key" = "$fingerprint" ] ||
    refuse "key.pub is not the key that you named: its fingerprint is $fingerprint"
  openssl dgst -sha256 -verify key.pub -signature SHA256SUMS.sig SHA256SUMS >/dev/null 2>&1 ||
    refuse "SHA256SUMS was not signed with key.pub: the list of files, its signature or the key was changed"
}

check_files() {
  listed=$(cut -c 67- SHA256SUMS)
  links=$(find . -type l)
  [ -z "$links" ] || refuse "these are links, not files of the release: $links"
  find . ! -type d ! -name SHA256SUMS ! -name SHA256SUMS.sig | cut -c 3- | while IFS= read -r file; do
    printf '%s\n' "$listed" | grep -qxF -e "$file" || refuse "$file does not belong to the release"
  done
  printf '%s\n' "$listed" | while IFS= read -r file; do
    [ -f "$file" ] || refuse "$file is missing"
  done
  wrong=$(sha256 -c SHA256SUMS 2>/dev/null | grep -v ': OK$' || true)
  [ -z "$wrong" ] || refuse "changed since it was signed: $wrong"
}

check_image() {
  digest=$(fact image_digest) id=$(fact image_id) name=$(fact image)
  hex=${digest#sha256:}
  manifest=$(tar -xOf image.tar "blobs/sha256/$hex" 2>/dev/null) ||
    refuse "image.tar is not the image $digest"
  [ "$(printf %s "$manifest" | sha256 | cut -c 1-64)" = "$hex" ] ||
    refuse "image.tar is not the image $digest"
  case $manifest in *"$id"*) ;; *) refuse "image.tar is not the image with the id $id" ;; esac
  for file in sbom.cdx.json provenance.json; do
    grep -q "$hex" "$file" || refuse "$file is about another image than $digest"
  done
}

check_loaded() {
  command -v docker >/dev/null || return 0
  loaded=$(docker image inspect --format '{{.Id}}' "$name" 2>/dev/null) || return 0
  [ "$loaded" = "$id" ] || [ "$loaded" = "$digest" ] ||
    refuse "Docker has another image of the name $name: $loaded. Remove it with: docker image rm $name"
}

report() {
  echo "$(fact model) v$(fact version), image $digest"
  echo "$(wc -l <SHA256SUMS | tr -d ' ') files, complete and unchanged, signed with the key"
  echo "  $fingerprint"
  [ "$(fact development_key)" != true ] ||
    echo "  which is a DEVELOPMENT key: it proves nothing of who made the release"
  [ -n "$key" ] || echo "Compare it with what your supplier has told you, or say: ./verify.sh --key FINGERPRINT"
}

check_answers() {
  command -v docker >/dev/null || refuse "--golden needs docker"
  docker load --quiet --input image.tar >/dev/null
  check_loaded
  trap 'docker rm --force --volumes "$container" >/dev/null 2>&1 || true' EXIT
  trap 'exit 1' INT TERM HUP
  container=$(docker run --detach --network none --read-only --tmpfs /tmp --cap-drop ALL \
    --security-opt no-new-privileges "$name")
  tries=0
  until docker exec "$container" health service >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 120 ] || refuse "the service is not ready after a minute: docker logs $container"
    sleep 0.5
  done
  docker exec --interactive "$container" python -c "$(cat golden/check.py)" \
    "$(fact model)" "$(fact version)" <golden/requests.jsonl.gz ||
    refuse "the image does not answer as the model that was evaluated"
}

while [ $# -gt 0 ]; do
  case $1 in
    --key) [ $# -gt 1 ] || usage; key=$2; shift ;;
    --golden) golden=true ;;
    *) usage ;;
  esac
  shift
done

check_signature
check_files
check_image
check_loaded
report
if $golden; then check_answers; fi
echo OK
