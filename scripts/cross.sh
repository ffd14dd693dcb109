# Sourced by scripts/cross-build and scripts/test, after setup.sh: how to build for a machine of
# another kind, or for any Linux.
# shellcheck shell=bash disable=SC2034 # what is set here is used there

host_arch() {
    case $(uname -m) in
        arm64 | aarch64) echo aarch64 ;;
        *) uname -m ;;
    esac
}

# The C compiler for an architecture, which links too.
gcc_of() { if [[ $1 == "$(host_arch)" ]]; then echo "${CC:-cc}"; else echo "$1-linux-gnu-gcc"; fi; }

has_std() { has_file "$("$1" --print target-libdir --target "$2" 2>/dev/null)/libstd-*.rlib"; }

# find_rust TRIPLE: sets cargo and rustc to those that have the target's library, which rustup
# brings, or else Debian.
find_rust() {
    cargo=cargo rustc=rustc
    has_std rustc "$1" && return
    if has_program rustup && announce rustup target add "$1" && has_std rustc "$1"; then
        return
    fi
    cargo=/usr/bin/cargo rustc=/usr/bin/rustc
    has_std "$rustc" "$1"
}

# debian_rust ARCH: installs Debian's Rust, and its library for the architecture.
debian_rust() {
    has_program apt-get || return 1
    missing=(rustc-web cargo-web "libstd-rust-web-dev:$(debian_arch "$1")")
    install_missing
}

# find_linker ARCH: sets link_args, so that another architecture's programs are linked by LLVM's
# linker, Rust's own where it has one: GNU's packs no relocations for aarch64 before binutils 2.43.
find_linker() {
    local dir
    link_args=()
    [[ $1 != "$(host_arch)" ]] || return 0
    dir=$("$rustc" --print sysroot)/lib/rustlib/$(host_arch)-unknown-linux-gnu/bin/gcc-ld
    if [[ -x $dir/ld.lld ]]; then
        link_args=("-Clink-arg=-B$dir" -Clink-arg=-fuse-ld=lld)
    elif has_program ld.lld; then
        link_args=(-Clink-arg=-fuse-ld=lld)
    fi
}

# set_for_target NAME TRIPLE VALUE: a variable that cargo or the crate cc reads for this target.
set_for_target() {
    local triple=${2//-/_}
    case $1 in
        LINKER) export "CARGO_TARGET_${triple^^}_LINKER=$3" ;;
        RUNNER) export "CARGO_TARGET_${triple^^}_RUNNER=$3" ;;
        *) export "$1_$triple=$3" ;;
    esac
}

# set_options ARCH OPTION...: of cargo.
set_options() {
    options=("${@:2}")
    [[ $1 != aarch64 ]] || options+=(--config scripts/boards.toml)
}

# prepare ARCH: sets triple, cargo and its options, and the environment of a build for it.
prepare() {
    triple=$1-unknown-linux-gnu
    set_options "$1"
    if ! find_rust "$triple"; then
        debian_rust "$1"
        if ! find_rust "$triple"; then
            echo "there is no Rust for $triple: rustup target add $triple" >&2
            return 1
        fi
    fi
    find_linker "$1"
    prepare_c "$1"
}

# prepare_llvm ARCH: after prepare, LLVM of another architecture for arena-aotc: Debian's packages, unpacked,
# and a script in place of their llvm-config, which does not run here.
prepare_llvm() {
    local dir file package sudo=()
    dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")/$triple/llvm
    if [[ ! -x $dir/llvm-config ]]; then
        rm -rf "$dir"
        mkdir -p "$dir/root"
        ((EUID == 0)) || sudo=(sudo)
        if ! knows_packages_of "$(debian_arch "$1")"; then
            announce "${sudo[@]}" dpkg --add-architecture "$(debian_arch "$1")"
            announce "${sudo[@]}" apt-get update -q
        fi
        for package in llvm-19-dev libllvm19; do
            if ! (cd "$dir" && announce apt-get download -q "$package:$(debian_arch "$1")"); then
                echo "there is no LLVM 19 for $1: apt-get finds none; --no-aot does without" >&2
                return 1
            fi
        done
        for file in "$dir"/*.deb; do
            dpkg-deb -x "$file" "$dir/root"
        done
        cat >"$dir/llvm-config" <<EOT
#!/bin/sh
for argument; do
    case \$argument in
        --version) echo $(dpkg-deb -f "$dir"/libllvm19_*.deb Version | sed 's/^[0-9]*://; s/-.*//') ;;
        --includedir) echo $dir/root/usr/lib/llvm-19/include ;;
        --libdir) echo $dir/root/usr/lib/llvm-19/lib ;;
        --libs) echo -lLLVM-19 ;;
    esac
done
EOT
        rm "$dir"/*.deb
        chmod +x "$dir/llvm-config"
    fi
    export LLVM_CONFIG=$dir/llvm-config
    set_for_target CXX "$triple" "$1-linux-gnu-g++"
}

# prepare_static ARCH: as prepare, with musl in place of glibc: a program that is one file, for any
# Linux. The C compiler remains, since no other makes as fast an interpreter, and gets musl's headers
# and libraries; Rust's library is built for it.
prepare_static() {
    local gcc dir=/usr/lib/$1-linux-musl include=/usr/include/$1-linux-musl work
    triple=$1-unknown-linux-musl
    set_options "$1" "-Zbuild-std=std,panic_unwind"
    cargo=/usr/bin/cargo rustc=/usr/bin/rustc
    export RUSTC_BOOTSTRAP=1
    gcc=$(gcc_of "$1")
    find_linker "$1"
    work=$(realpath -m "${CARGO_TARGET_DIR:-target}")/$triple/unwind
    mkdir -p "$work"
    CFLAGS+=" -nostdinc -isystem $include -isystem $("$gcc" -print-file-name=include)"
    # The C compiler's unwinder, by the name that Rust expects.
    # shellcheck disable=SC2086
    "$gcc" -O2 -fPIC $CFLAGS -c scripts/static/find_object.c -o "$work/find_object.o"
    cp "$("$gcc" -print-file-name=libgcc_eh.a)" "$work/libunwind.a"
    "$("$gcc" -print-prog-name=ar)" rcsD "$work/libunwind.a" "$work/find_object.o"
    link_args+=(
        -Ctarget-feature=+crt-static -Clink-self-contained=no "-Lnative=$work"
        "-Clink-arg=-B$dir" "-Clink-arg=-L$dir" -Clink-arg=-lgcc
    )
    prepare_c "$1"
}

prepare_c() {
    export RUSTC=$rustc
    set_for_target LINKER "$triple" "$(gcc_of "$1")"
    set_for_target CC "$triple" "$(gcc_of "$1")"
}

# reproducibly: after either, with the flags under which the same sources become the same bytes, wherever they and what they are built with lie.
reproducibly() {
    local home target from to flags=() c_flags=${CFLAGS:-}
    home=${CARGO_HOME:-$HOME/.cargo}
    target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
    # The last that fits is taken.
    while read -r from to; do
        flags+=("--remap-path-prefix=$from=$to")
        c_flags+=" -ffile-prefix-map=$from=$to"
    done < <(
        echo "$PWD /arena-runtime"
        for from in "$home"/registry/src/*; do echo "$from /crates"; done
        echo "$target /target"
    )
    flags+=("${link_args[@]}")
    CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}")
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
    export CARGO_ENCODED_RUSTFLAGS SOURCE_DATE_EPOCH
    set_for_target CFLAGS "$triple" "${c_flags# }"
}
