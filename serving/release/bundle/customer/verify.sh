#!/bin/sh
# Checks a release without any network: that it is signed, that every file is there and is the one
# that was signed, that the files belong to one image, and that Docker has no other image of its name.
#
# usage: verify.sh [--key FINGERPRINT] [--version N] [--golden] [DIRECTORY]
#   --key      fingerprint of the supplier's key, which the supplier has told you by another way
#   --version  the version that you expect: an older release is signed and complete as well
#   --golden   load the image too, and compare its answers with those of the model that was evaluated;
#              only with --key, as it runs the image
#   DIRECTORY  the release; without it, the one that this script lies in
#
# Needs sh, sha256sum, openssl and tar; --golden needs docker. Exit status: 0 if all is as it should
# be, 1 if something is not (the last lines say what), 2 for a wrong option.
set -eu
export LC_ALL=C
unset CDPATH TAR_OPTIONS

# What others have written may hold codes that a terminal obeys.
say() { printf '%s\n' "$*" | tr -c '\n -~' '?'; }

refuse() { say "REFUSED: $*" >&2; exit 1; }

usage() { sed -n '/^# usage/,/^#$/{s/^# \{0,1\}//;p;}' "$0" >&2; exit 2; }

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

digest_of() { sha256 | cut -c 1-64; }

fact() { sed -n 's/^ *"'"$1"'": "\{0,1\}\([^"]*[^",]\)"\{0,1\},\{0,1\}$/\1/p' release.json; }

member() { tar -xOf image.tar "$1" 2>/dev/null; }

# Refuses if there is anything in the input; in one line, so that no name passes for one of ours.
expect_none() { found=$(cat); [ -z "$found" ] || refuse "$1: $(printf %s "$found" | tr '\n' ' ')"; }

wrong() { say "$*" >&2; exit 2; }

# Docker may be away, or at an address that takes calls and never answers.
ask_docker() {
  if command -v timeout >/dev/null; then timeout 20 docker "$@"; else docker "$@"; fi
}

check_tools() {
  case :$PATH: in *:[!/]*) refuse "PATH has relative directories, where a release could bring its tools" ;; esac
  command -v sha256sum >/dev/null || command -v shasum >/dev/null ||
    refuse "there is no sha256sum, and no shasum, to check the release with"
  for tool in $tools; do
    command -v "$tool" >/dev/null || refuse "there is no $tool to check the release with"
  done
}

check_signature() {
  for file in SHA256SUMS SHA256SUMS.sig key.pub; do
    [ -f "$file" ] || refuse "$file is missing"
  done
  openssl pkey -pubin -in key.pub -outform DER >/dev/null 2>&1 || refuse "key.pub is no public key"
  fingerprint=$(openssl pkey -pubin -in key.pub -outform DER | digest_of)
  [ -z "$key" ] || [ "$key" = "$fingerprint" ] ||
    refuse "key.pub is not the key that you named: its fingerprint is $fingerprint"
  openssl dgst -sha256 -verify key.pub -signature SHA256SUMS.sig SHA256SUMS >/dev/null 2>&1 ||
    refuse "SHA256SUMS was not signed with key.pub: the list of files, its signature or the key was changed"
}

check_files() {
  grep -vxE '[0-9a-f]{64}  [A-Za-z0-9._/-]+' SHA256SUMS | expect_none "SHA256SUMS lists more than files"
  find . >/dev/null 2>&1 || refuse "there are directories here that you can't read"
  find . -name '*[!A-Za-z0-9._-]*' | expect_none "no file of a release has such a name"
  find . ! -type f ! -type d | expect_none "no file, but a link or the like"
  listed=$(cut -c 67- SHA256SUMS)
  there=$(find . -type f ! -path ./SHA256SUMS ! -path ./SHA256SUMS.sig | cut -c 3-)
  printf '%s\n' "$there" | grep -vxF -e "$listed" | expect_none "does not belong to the release"
  printf '%s\n' "$listed" | grep -vxF -e "$there" | expect_none "missing"
  checked=$(sha256 -c SHA256SUMS 2>/dev/null) ||
    refuse "changed since it was signed: $(printf '%s\n' "$checked" | grep -v ': OK$' || true)"
}

check_version() {
  found=$(fact version)
  [ -z "$version" ] || [ "$version" = "$found" ] ||
    refuse "this is version $found of $(fact model), and not version $version"
}

# What is named by content must have it, and whatever loads image.tar must find this one image.
check_image() {
  digest=$(fact image_digest) id=$(fact image_id) name=$(fact image)
  hex=${digest#sha256:} config=${id#sha256:} other="image.tar is not the image $digest"
  for file in "$hex" "$config"; do
    [ "$(member "blobs/sha256/$file" | digest_of)" = "$file" ] || refuse "$other"
  done
  members=$(tar -tf image.tar 2>/dev/null) || refuse "$other"
  printf '%s\n' "$members" | sort | uniq -d | expect_none "image.tar has two files of one name"
  printf '%s\n' "$members" |
    grep -vxE 'blobs/|blobs/sha256/|blobs/sha256/[0-9a-f]{64}|(index|manifest)\.json|oci-layout' |
    expect_none "does not belong into image.tar"
  case $(member "blobs/sha256/$hex") in *"\"config\":{\"digest\":\"$id\","*) ;; *) refuse "$other" ;; esac
  [ "$(member index.json | tr ',{}' '\n\n\n' | grep '^"digest":')" = "\"digest\":\"$digest\"" ] ||
    refuse "$other"
  [ "$(member manifest.json | sed 's/"Layers":\[[^]]*\],//')" = \
    "[{\"Config\":\"blobs/sha256/$config\",\"RepoTags\":[\"$name\"]}]" ] || refuse "$other"
  for file in sbom.cdx.json provenance.json; do
    grep -qF "$hex" "$file" || refuse "$file is about another image than $digest"
  done
}

check_loaded() {
  is_asked=true
  loaded=$(ask_docker image ls --quiet --no-trunc "$name" 2>/dev/null) || loaded='' is_asked=false
  case $loaded in
    '' | "$id" | "$digest") ;;
    *) refuse "Docker has another image of the name $name: $loaded. Remove it: docker image rm $name" ;;
  esac
}

report() {
  say "$(fact model) v$(fact version), image $digest"
  say "$(wc -l <SHA256SUMS | tr -d ' ') files, complete and unchanged, signed with the key"
  say "  $fingerprint"
  [ "$(fact development_key)" != true ] ||
    say "  which is a DEVELOPMENT key: it proves nothing of who made the release"
  $is_asked || say "NOT CHECKED: whether Docker has another image of the name $name. It can't be asked"
}

check_answers() {
  docker load --quiet --input image.tar >/dev/null || refuse "Docker does not load image.tar"
  check_loaded
  [ -n "$loaded" ] || refuse "Docker has loaded no image of the name $name"
  container=verify-$$-$(date +%s)
  trap 'docker rm --force --volumes "$container" >/dev/null 2>&1 || true' EXIT
  trap 'exit 1' INT TERM HUP
  docker run --detach --pull never --name "$container" --network none --read-only --tmpfs /tmp \
    --cap-drop ALL --security-opt no-new-privileges "$loaded" >/dev/null || refuse "Docker does not run $name"
  tries=0
  until docker exec "$container" health service >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || refuse "the service is not ready: $(docker logs --tail 5 "$container" 2>&1)"
    sleep 1
  done
  docker exec --interactive "$container" python -c "$(cat golden/check.py)" \
    "$(fact model)" "$(fact version)" <golden/requests.jsonl.gz ||
    refuse "the image does not answer as the model that was evaluated"
}

key='' named=false version='' asked=false golden=false directory=''
tools='openssl tar find grep sed cut tr cat wc sort uniq dirname'
while [ $# -gt 0 ]; do
  case $1 in
    --key) [ -n "${2-}" ] || usage; named=true key=$(printf %s "$2" | tr A-Z a-z | sed 's/^sha256//' | tr -d ': -'); shift ;;
    --version) [ -n "${2-}" ] || usage; asked=true version=${2#v}; shift ;;
    --golden) golden=true tools="$tools docker" ;;
    -* | '') usage ;;
    *) [ -z "$directory" ] || usage; directory=$1 ;;
  esac
  shift
done

case $asked$version in true | true*[!0-9]*) wrong "a version is a number, such as 3" ;; esac
case $key in *[!0-9a-f]*) wrong "a fingerprint is 64 of the characters 0-9 and a-f" ;; esac
case $named${#key} in true64 | false0) ;; *) wrong "a fingerprint is 64 of the characters 0-9 and a-f" ;; esac
case $golden$named in truefalse) wrong "--golden runs the image: say whose you trust, with --key FINGERPRINT" ;; esac
check_tools
cd "${directory:-$(dirname "$0")}" 2>/dev/null || refuse "there is no directory $directory"
check_signature
check_files
check_version
check_image
check_loaded
report
if $golden; then check_answers; fi
if [ -n "$key" ]; then
  say OK
else
  say "OK, if that is the key of your supplier: compare it with what you were told, or say: --key FINGERPRINT"
fi
