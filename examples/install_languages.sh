#!/bin/sh
# Install the languages of the examples: Java, Go, PHP and Ruby. Run it as root, on Debian 12 or later
# or on Ubuntu 24.04 or later.
set -eu
go=golang-go
if grep -q '^VERSION_CODENAME=bookworm' /etc/os-release; then
    # Go with log/slog, 1.21 and later, is in Debian 12's backports, on the same mirror.
    go=golang-1.23-go
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' | head -n 1)
    echo "deb $mirror bookworm-backports main" > /etc/apt/sources.list.d/bookworm-backports.list
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    default-jdk-headless liblogback-java liblogstash-logback-encoder-java \
    "$go" php-cli php-monolog ruby ruby-webrick ruby-activesupport > /dev/null
