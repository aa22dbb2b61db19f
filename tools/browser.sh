#!/bin/sh
# The tests of the pages need a real Chromium and one font. As root on Debian they are installed; otherwise this says how.
set -eu
for browser in chromium chromium-browser google-chrome; do
    if command -v "$browser" >/dev/null 2>&1; then exit 0; fi
done
install='apt-get install -y --no-install-recommends chromium fonts-dejavu-core'
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests need Chromium. Run this once, then make test again:" >&2
    echo "  sudo $install" >&2
    exit 1
fi
echo "installing Chromium for the tests" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 -- a command with its arguments
$install -qq >/dev/null 2>&1 || { apt-get update -qq && $install -qq >/dev/null; }
