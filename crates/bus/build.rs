//! Tells the compiler the one `cfg` of this crate, so that a typing error in it is a warning.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(floodway_loom)");
    println!("cargo::rerun-if-changed=build.rs");
}
