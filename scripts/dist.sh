#!/usr/bin/env bash
# Make an archive of rnnconv for machines without Swift: .build/dist/rnnconv-VERSION-linux-ARCH.tar.gz.
#
# Swift's libraries, libstdc++, protobuf-c, zlib and libcrypto are inside the binary; glibc is the machine's own, of this
# machine's version or newer. The same sources give the same archive (SOURCE_DATE_EPOCH, else the last commit's time).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_swift
[ -d "$swift_root/lib/swift_static" ] || fail "this Swift toolchain has no static libraries ($swift_root/lib/swift_static)"

# A folder with nothing but the static libraries, which pkg-config is made to name: the linker takes what it finds there.
libraries=$root/.build/dist/static-libraries
rm -rf "$libraries"
mkdir -p "$libraries"
for package in libprotobuf-c zlib libcrypto; do
  library=$(pkg-config --libs-only-l "$package" | sed 's/^-l//; s/ *$//')
  static=$(pkg-config --variable=libdir "$package")/lib$library.a
  [ -e "$static" ] || fail "$static is missing: install what provides it (libprotobuf-c-dev, zlib1g-dev, libssl-dev)"
  ln -s "$static" "$libraries/"
  sed "s|^libdir=.*|libdir=$libraries|" "$(pkg-config --variable=pcfiledir "$package")/$package.pc" \
    >"$libraries/$package.pc"
done
ln -s "$(gcc -print-file-name=libstdc++.a)" "$libraries/"
export PKG_CONFIG_PATH=$libraries

# Not the executable that `make install` builds, which holds glibc as well.
build=(-c release --static-swift-stdlib --scratch-path .build/dist/build)
say "Building rnnconv (release, static) ..."
swift build "${build[@]}" --product rnnconv
binary=$(swift build "${build[@]}" --show-bin-path)/rnnconv

# Only what every Debian root holds may be asked for.
needed=$(objdump -p "$binary" | awk '$1 == "NEEDED" { print $2 }')
for library in $needed; do
  case $library in
    libc.so.* | libm.so.* | libgcc_s.so.* | ld-linux*.so.* | libdl.so.* | libpthread.so.* | librt.so.*) ;;
    *) fail "the binary needs $library" ;;
  esac
done

version=$("$binary" --version)
name=rnnconv-$version-linux-$(uname -m)
stage=.build/dist/$name
rm -rf "$stage"
scripts/install.sh "$binary" "$stage"
strip --strip-all "$stage/bin/rnnconv"
mkdir -p "$stage/share/doc/rnnconv/licences"
cp README.md CHANGELOG.md LICENSE "$stage/share/doc/rnnconv/"
cp "$swift_root/share/doc/swift/LICENSE.txt" "$stage/share/doc/rnnconv/licences/swift.txt" 2>/dev/null ||
  cp "$swift_root/share/swift/LICENSE.txt" "$stage/share/doc/rnnconv/licences/swift.txt"
for package in libprotobuf-c-dev zlib1g-dev libssl-dev; do
  [ ! -e "/usr/share/doc/$package/copyright" ] ||
    cp "/usr/share/doc/$package/copyright" "$stage/share/doc/rnnconv/licences/${package%-dev}.txt"
done
cp .build/dist/build/checkouts/swift-argument-parser/LICENSE.txt \
  "$stage/share/doc/rnnconv/licences/swift-argument-parser.txt"

when=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
tar --sort=name --mtime="@$when" --owner=0 --group=0 --numeric-owner -C .build/dist -cf - "$name" |
  gzip -9n >".build/dist/$name.tar.gz"
rm -rf "$stage"
say ".build/dist/$name.tar.gz"
(cd .build/dist && sha256sum "$name.tar.gz")
