//! Generates the driver's view of Asterisk from the headers of the Asterisk that will load it.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=wrapper.h");
    for variable in ["DRAGOMAN_PREFIX", "DRAGOMAN_CACHE", "XDG_CACHE_HOME", "HOME"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    println!("cargo:rustc-check-cfg=cfg(asterisk_tests)");

    let include = find_headers();
    let build_options = include.join("asterisk/buildopts.h");
    println!("cargo:rerun-if-changed={}", build_options.display());
    // As in Asterisk's own modules: tests are part of the module where Asterisk has its test framework.
    let options = fs::read_to_string(&build_options).expect("find_headers saw this file");
    if options.contains("#define TEST_FRAMEWORK") {
        println!("cargo:rustc-cfg=asterisk_tests");
    }
    generate(&include);
}

/// The directory that holds `asterisk.h`.
fn find_headers() -> PathBuf {
    let candidates: Vec<PathBuf> = match env::var_os("DRAGOMAN_PREFIX") {
        Some(prefix) => vec![PathBuf::from(prefix)],
        None => cache().map(|cache| cache.join("prefix")).into_iter().chain(["/".into()]).collect(),
    };
    for prefix in &candidates {
        let include = prefix.join("usr/include");
        if include.join("asterisk/buildopts.h").is_file() {
            return include;
        }
    }
    eprintln!(
        "error: no Asterisk 22 headers (usr/include/asterisk/buildopts.h) below {}: run `cargo xtask setup`, \
         install asterisk-dev, or set DRAGOMAN_PREFIX to the root they were unpacked into",
        candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or "),
    );
    std::process::exit(1)
}

fn cache() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("DRAGOMAN_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|home| home.join("dragoman")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/dragoman")))
}

fn generate(include: &std::path::Path) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("asterisk.rs");
    bindgen::Builder::default()
        .header("wrapper.h")
        .clang_args(["-fblocks", "-I"])
        .clang_arg(include.display().to_string())
        .allowlist_function("(__)?ast_.*|__ao2_(ref|lock|unlock)")
        .allowlist_var("ast_format_(slin16|ulaw)|ast_null_frame|ast_config_AST_CONFIG_DIR|AST_.*|CLI_.*|AO2_LOCK_REQ_.*|TEST_.*|slinpipe_licence_key|__LOG_.*|RESULT_.*")
        .allowlist_type("ast_.*")
        .generate_cstr(true)
        .prepend_enum_name(false)
        .layout_tests(false)
        .derive_debug(false)
        .formatter(bindgen::Formatter::None)
        .generate()
        .unwrap_or_else(|error| {
            eprintln!("error: bindgen could not read {}/asterisk.h: {error}", include.display());
            std::process::exit(1)
        })
        .write_to_file(out)
        .expect("OUT_DIR is writable");
}
