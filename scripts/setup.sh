# Sourced by scripts/run and scripts/test: installs what this machine lacks.
# shellcheck shell=bash

has_program() { type -P "$1" >/dev/null; }
has_file() { compgen -G "$1" >/dev/null; }
has_c() { echo '#include <stdio.h>' | "${CC:-cc}" -E - >/dev/null 2>&1; }
has_c_for() { [[ $(uname -m) == "$1" ]] || echo '#include <stdio.h>' | "$1-linux-gnu-gcc" -E - >/dev/null 2>&1; }
has_cxx() { echo '#include <vector>' | "${CXX:-c++}" -xc++ -E - >/dev/null 2>&1; }
has_simde() { has_file "${SIMDE_ROOT:-/usr/include}/simde/wasm/simd128.h"; }
has_llvm() { has_program "${LLVM_CONFIG:-llvm-config-19}"; }
has_libclang() { [[ -n ${LIBCLANG_PATH:-} ]] || has_file '/usr/lib/llvm-*/lib/libclang.so*'; }
has_rustfmt_and_clippy() { (cargo fmt --version && cargo clippy --version) >/dev/null 2>&1; }

# Debian's Rust, of which libraries for other targets can be built.
has_std_source() { has_file "$(/usr/bin/rustc --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/std"; }

# Rust's standard library for guests: rustup's, or the source of Debian's.
has_rust_for_guests() {
    has_file "$(rustc --print target-libdir --target wasm32-wasip1)/libstd-*" || has_std_source
}

# look_for CHECK PACKAGE...: the packages are missing unless the check, which may have an
# argument after a colon, succeeds. Of A|B the first that apt has is taken.
look_for() {
    local check=${1%%:*} argument=${1#*:}
    "$check" "$argument" || missing+=("${@:2}")
}

# look build|tests [PART]...: fills `missing`.
look() {
    local part program
    missing=()
    look_for has_c gcc libc6-dev
    look_for has_simde libsimde-dev
    if [[ $1 == tests ]]; then
        look_for has_libclang 'libclang-19-dev|libclang-dev'
        look_for has_program:shellcheck shellcheck
        # In /usr/sbin, which is not in everybody's PATH.
        look_for has_file:/usr/sbin/mosquitto mosquitto
        look_for has_program:mosquitto_passwd mosquitto
        look_for has_program:openssl openssl
        # For scripts/package, in the dry run of a release.
        look_for has_program:jq jq
        look_for has_program:strip binutils
    fi
    for part in "${@:2}"; do
        case $part in
            aot)
                look_for has_cxx g++
                look_for has_llvm llvm-19-dev
                look_for has_file:/usr/include/zstd.h libzstd-dev
                look_for has_file:/usr/include/histedit.h libedit-dev
                ;;
            packages)
                for program in lintian mmdebstrap; do
                    look_for "has_program:$program" "$program"
                done
                look_for has_program:ip iproute2
                ;;
            emulator) look_for has_program:qemu-aarch64 qemu-user ;;
            board)
                look_for has_program:qemu-system-aarch64 qemu-system-arm
                look_for has_program:cpio cpio
                ;;
            emulator-alone) look_for has_program:qemu-aarch64-static qemu-user-static ;;
            *-cxx)
                part=${part%-cxx}-linux-gnu
                look_for "has_program:$part-g++" "g++-${part//_/-}"
                ;;
            aarch64) look_for has_c_for:aarch64 gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;;
            x86_64) look_for has_c_for:x86_64 gcc-x86-64-linux-gnu libc6-dev-amd64-cross ;;
            *-musl)
                look_for has_std_source rustc-web cargo-web rust-web-src
                look_for "has_file:/usr/lib/${part%-musl}-linux-musl/rcrt1.o" "musl-dev:$(debian_arch "${part%-musl}")"
                ;;
        esac
    done
}

# What Debian calls an architecture, and whether this machine can have packages of one.
debian_arch() { if [[ $1 == aarch64 ]]; then echo arm64; else echo amd64; fi; }
knows_packages_of() {
    [[ " $(dpkg --print-architecture) $(dpkg --print-foreign-architectures | xargs) " == *" $1 "* ]]
}

announce() {
    echo "running: $*"
    "$@"
}

install_missing() {
    local package sudo=() packages=()
    ((EUID == 0)) || sudo=(sudo)
    for package in "${missing[@]}"; do
        if [[ $package == *:* ]] && ! knows_packages_of "${package#*:}"; then
            announce "${sudo[@]}" dpkg --add-architecture "${package#*:}"
        fi
    done
    announce "${sudo[@]}" apt-get update -q
    export APT_UPDATED=yes # scripts/build-samples --install need not do it again
    for package in "${missing[@]}"; do
        apt-cache show "${package%|*}" >/dev/null 2>&1 || package=${package#*|}
        packages+=("${package%|*}")
    done
    announce "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy "${packages[@]}"
}

# setup build|tests [PART]...: installs what building, or building and testing, needs beside Rust itself.
# Parts are aot, for the AOT compiler; packages, for tests of them; emulator, emulator-alone (of which the
# latter runs in another root, too) and board, for what runs programs of aarch64; and ARCH (aarch64 or
# x86_64), or ARCH-musl, for building for one; and ARCH-cxx, for building its AOT compiler.
setup() {
    local missing
    if ! has_program cargo; then
        echo "Rust is missing: install it from https://rustup.rs, and run this again" >&2
        return 1
    fi
    look "$@"
    if ((${#missing[@]})) && has_program apt-get; then
        install_missing
        look "$@"
    fi
    if ((${#missing[@]})); then
        echo "missing here, by the names of Debian's packages: ${missing[*]}" >&2
        return 1
    fi
    if has_program rustup; then
        if [[ $1 == tests ]] && ! has_rustfmt_and_clippy; then
            announce rustup component add rustfmt clippy
        fi
        # If that fails, scripts/build-samples looks for Debian's.
        has_rust_for_guests || announce rustup target add wasm32-wasip1 || true
    fi
}
