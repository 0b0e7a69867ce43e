#!/bin/sh
# Proves what the tests of this crate cannot: orders of threads, races, leaks, undefined behaviour.
#
# Runs each tool that is there and says which are not. Exits with an error if a tool found something.
#   loom       all orders of the models in tests/loom; needs only Cargo
#   miri       tests of one thread, and drops, on an abstract machine; needs `rustup +nightly component add miri`
#   tsan       the tests of many threads; needs a nightly toolchain
#   valgrind   leaks and use after free in the drop, limit and memory tests
set -eu
cd "$(dirname "$0")"
target="${CARGO_TARGET_DIR:-../../target}"
host=$(rustc -vV | sed -n 's/^host: //p')
missing=""

echo "prove: loom"
RUSTFLAGS="--cfg floodway_loom" CARGO_TARGET_DIR="$target/loom" \
    cargo test --release --test loom

if cargo +nightly miri --version >/dev/null 2>&1; then
    echo "prove: miri"
    # Seeds choose the order of threads. Isolation is off for the clock of waits with a deadline.
    MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-many-seeds=0..4" PROPTEST_CASES=4 \
        CARGO_TARGET_DIR="$target/miri" \
        cargo +nightly miri test --lib --test it -- --skip waiting::tasks --skip byte_queue \
        --skip threads:: --skip ping_pong --skip tasks_wait --skip busy_machine
else
    missing="$missing miri"
fi

if cargo +nightly --version >/dev/null 2>&1; then
    echo "prove: tsan"
    # The standard library comes without instrumentation, so that its locks look like races: what
    # they guard is left out (tsan.supp), and loom has looked at it.
    RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer" \
        TSAN_OPTIONS="halt_on_error=1 suppressions=$PWD/tsan.supp" \
        CARGO_TARGET_DIR="$target/tsan" \
        cargo +nightly test --target "$host" --test it -- \
        drops:: stress:: threads:: waiting:: --test-threads=1
else
    missing="$missing tsan"
fi

if command -v valgrind >/dev/null; then
    echo "prove: valgrind"
    binary=$(CARGO_TARGET_DIR="$target" cargo test --test it --no-run 2>&1 |
        sed -n 's/.*Executable.*(\(.*\)).*/\1/p')
    valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite \
        --show-leak-kinds=definite \
        "$binary" drops:: limits:: memory:: --skip ends_beside --test-threads=1
else
    missing="$missing valgrind"
fi

echo "prove: all that ran has passed; not here:${missing:- nothing}"
