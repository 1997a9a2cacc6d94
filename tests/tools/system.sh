#!/bin/sh
# The programs of the system that the tests run beside Node.js: installed where they are missing and may be.
set -eu
packages=""
command -v zsh > /dev/null || packages="$packages zsh"
command -v fish > /dev/null || packages="$packages fish"
command -v chromium > /dev/null || packages="$packages chromium"
command -v git > /dev/null || packages="$packages git"
command -v initdb > /dev/null || ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || packages="$packages postgresql"
[ -z "$packages" ] && exit 0
if ! command -v apt-get > /dev/null; then
  echo "these tests need$packages: install them with this system's package manager" >&2
  exit 1
fi
root=""
[ "$(id -u)" -eq 0 ] || root="sudo"
$root apt-get update -qq
# shellcheck disable=SC2086 - one word a package
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $packages > /dev/null
