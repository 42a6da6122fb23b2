//! The command line: `slinpipe show channels`.

use std::{
    ffi::{c_char, c_int},
    ptr,
};

use crate::{
    asterisk::{self as ast, c_string},
    channel, module,
    module::Shared,
    table,
};

static SHOW_CHANNELS: Shared<ast::ast_cli_entry> = Shared::new(ast::ast_cli_entry {
    cmda: [ptr::null(); ast::AST_MAX_CMD_LEN as usize],
    summary: c"Show SlinPipe channels, frames carried and dropped".as_ptr(),
    usage: ptr::null(),
    inuse: 0,
    module: ptr::null_mut(),
    _full_cmd: ptr::null_mut(),
    cmdlen: 0,
    args: 0,
    command: ptr::null_mut(),
    handler: Some(show_channels),
    list: ast::ast_cli_entry__bindgen_ty_1 { next: ptr::null_mut() },
});

pub(crate) fn register() {
    // SAFETY: the entry is static, and Asterisk's to write to from here on.
    unsafe { ast::__ast_cli_register(SHOW_CHANNELS.get(), module::handle()) };
}

pub(crate) fn unregister() {
    // SAFETY: it was registered.
    unsafe { ast::ast_cli_unregister(SHOW_CHANNELS.get()) };
}

unsafe extern "C" fn show_channels(
    entry: *mut ast::ast_cli_entry,
    command: c_int,
    args: *mut ast::ast_cli_args,
) -> *mut c_char {
    if command == ast::CLI_INIT {
        // SAFETY: Asterisk asks for these two fields of the entry; it writes to neither text.
        unsafe {
            (*entry).command = c"slinpipe show channels".as_ptr().cast_mut();
            (*entry).usage = c"Usage: slinpipe show channels\n       A line for each leg: frames of 20 ms each way, and frames dropped by reason.\n".as_ptr();
        }
        return ptr::null_mut();
    }
    if command == ast::CLI_GENERATE {
        return ptr::null_mut();
    }
    let legs = channel::legs();
    let text = c_string(table::render(legs.iter().map(AsRef::as_ref)));
    // SAFETY: `args` is valid for the call, and the format takes one string.
    unsafe { ast::ast_cli((*args).fd, c"%s".as_ptr(), text.as_ptr()) };
    // CLI_SUCCESS
    ptr::null_mut()
}
