//! Loading, reloading and unloading: what Asterisk's `AST_MODULE_INFO` macro does in C.

use std::{
    cell::UnsafeCell,
    ffi::{CStr, c_char, c_int},
    path::Path,
    ptr,
    sync::{Mutex, PoisonError},
};

use crate::{
    asterisk::{self as ast, Level, log},
    channel, cli,
    config::Settings,
    fifo,
};

const CONFIG_FILE: &CStr = c"slinpipe.conf";

/// The settings that new channels take.
static SETTINGS: Mutex<Option<Settings>> = Mutex::new(None);

/// A static that Asterisk writes to.
#[repr(transparent)]
pub(crate) struct Shared<T>(UnsafeCell<T>);

// SAFETY: Asterisk guards what it is given by its own locks; Rust only takes the address.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(crate) const fn get(&self) -> *mut T {
        self.0.get()
    }
}

static MODULE: Shared<ast::ast_module_info> = Shared::new(ast::ast_module_info {
    self_: ptr::null_mut(),
    load: Some(load),
    reload: Some(reload),
    unload: Some(unload),
    name: c"chan_slinpipe".as_ptr(),
    description: c"SLIN16 over two FIFOs".as_ptr(),
    key: ast::slinpipe_licence_key.as_ptr(),
    flags: ast::AST_MODFLAG_LOAD_ORDER,
    buildopt_sum: build_options(),
    load_pri: ast::AST_MODPRI_CHANNEL_DRIVER as u8,
    requires: ptr::null(),
    optional_modules: ptr::null(),
    enhances: ptr::null(),
    reserved1: ptr::null_mut(),
    reserved2: ptr::null_mut(),
    reserved3: ptr::null_mut(),
    reserved4: ptr::null_mut(),
    support_level: ast::AST_MODULE_SUPPORT_EXTENDED,
});

/// Asterisk refuses a module whose sum is not that of its own build.
const fn build_options() -> [c_char; 33] {
    let sum = ast::AST_BUILDOPT_SUM.to_bytes();
    let mut field = [0; 33];
    let mut at = 0;
    while at < sum.len() {
        field[at] = sum[at].cast_signed() as c_char;
        at += 1;
    }
    field
}

extern "C" fn register() {
    // SAFETY: the description is static; the loader calls this once, holding its lock.
    unsafe { ast::ast_module_register(MODULE.get()) }
}

extern "C" fn unregister() {
    // SAFETY: as for `register`.
    unsafe { ast::ast_module_unregister(MODULE.get()) }
}

// SAFETY: the dynamic loader calls what these sections list when the library comes and goes.
#[unsafe(link_section = ".init_array")]
#[used]
static CONSTRUCTOR: extern "C" fn() = register;
// SAFETY: as above.
#[unsafe(link_section = ".fini_array")]
#[used]
static DESTRUCTOR: extern "C" fn() = unregister;

/// Asterisk's handle of this module; null until it is being loaded.
pub(crate) fn handle() -> *mut ast::ast_module {
    // SAFETY: Asterisk writes the field before it calls `load` and leaves it alone while the module runs.
    unsafe { (*MODULE.get()).self_ }
}

/// The settings in force.
pub(crate) fn settings() -> Settings {
    SETTINGS.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
}

extern "C" fn load() -> ast::ast_module_load_result {
    if configure().and_then(|()| sweep(&settings().directory)).is_none() || !channel::register() {
        return ast::AST_MODULE_LOAD_DECLINE;
    }
    cli::register();
    #[cfg(asterisk_tests)]
    crate::selftest::register();
    ast::AST_MODULE_LOAD_SUCCESS
}

extern "C" fn reload() -> c_int {
    if configure().is_some() { 0 } else { -1 }
}

/// Asterisk calls this only when no channel holds the module.
extern "C" fn unload() -> c_int {
    #[cfg(asterisk_tests)]
    crate::selftest::unregister();
    cli::unregister();
    channel::unregister();
    0
}

/// Takes the settings over when the whole file is right; else says what is wrong and leaves those in force.
fn configure() -> Option<()> {
    let settings = read_settings()
        .inspect_err(|error| log(Level::Error, format_args!("slinpipe.conf: {error}")))
        .ok()?;
    *SETTINGS.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
    Some(())
}

/// No channel is up while the module loads, so that every pipe in the directory is a dead Asterisk's.
fn sweep(directory: &Path) -> Option<()> {
    match fifo::sweep(directory) {
        Ok(0) => {}
        Ok(count) => log(
            Level::Notice,
            format_args!("removed {count} pipes that a dead Asterisk left in {}", directory.display()),
        ),
        Err(error) => {
            let directory = directory.display();
            log(
                Level::Error,
                format_args!(
                    "slinpipe.conf: directory {directory}: {error}; make it writable for Asterisk's user, then `module load chan_slinpipe.so`"
                ),
            );
            return None;
        }
    }
    Some(())
}

fn read_settings() -> Result<Settings, String> {
    let flags = ast::ast_flags { flags: 0 };
    // SAFETY: the name is a C string.
    let config = unsafe { ast::ast_config_load2(CONFIG_FILE.as_ptr(), c"chan_slinpipe".as_ptr(), flags) };
    if config.is_null() {
        return Err(
            "not found in Asterisk's configuration directory: install the one that came with this driver"
                .into(),
        );
    }
    // Asterisk's other answer that is no configuration: it is -2.
    if config.addr() == (-2_isize).cast_unsigned() {
        return Err("not in Asterisk's configuration syntax: the line before this one says where".into());
    }
    // SAFETY: it is a configuration, read to the end before it is destroyed.
    unsafe {
        let settings = settings_in(config);
        ast::ast_config_destroy(config);
        settings
    }
}

/// # Safety
/// `config` is a loaded configuration.
unsafe fn settings_in(config: *mut ast::ast_config) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let mut category = ptr::null();
    loop {
        // SAFETY: the previous name is from the same configuration, or null for the first.
        category = unsafe { ast::ast_category_browse(config, category) };
        if category.is_null() {
            return Ok(settings);
        }
        // SAFETY: names and values are C strings that live as long as the configuration; the list ends with null.
        unsafe {
            let name = CStr::from_ptr(category).to_string_lossy();
            let mut variable = ast::ast_variable_browse(config, category);
            while let Some(entry) = variable.as_ref() {
                let [key, value] =
                    [entry.name, entry.value].map(|text| CStr::from_ptr(text).to_string_lossy());
                settings
                    .set(&name, &key, &value)
                    .map_err(|error| format!("line {}: {error}", entry.lineno))?;
                variable = entry.next;
            }
        }
    }
}
