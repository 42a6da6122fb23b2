//! The channel technology: what Asterisk calls to make, ring, carry and end a SlinPipe channel.

use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    ptr, slice,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    asterisk::{self as ast, Level, c_string, log},
    fifo::FifoPair,
    id::LegId,
    keys,
    leg::{Counts, Entry, Leg},
    module::{self, Shared},
    reassembly::{FRAME_BYTES, FRAME_SAMPLES},
};

/// The legs that are up, for the command line.
static LEGS: Mutex<Vec<Arc<Entry>>> = Mutex::new(Vec::new());

static TECHNOLOGY: Shared<ast::ast_channel_tech> = Shared::new(ast::ast_channel_tech {
    type_: c"SlinPipe".as_ptr(),
    description: c"SLIN16 over two FIFOs".as_ptr(),
    requester: Some(request),
    call: Some(call),
    hangup: Some(hangup),
    read: Some(read),
    write: Some(write),
    indicate: Some(indicate),
    fixup: Some(fixup),
    send_digit_begin: Some(digit_begin),
    send_digit_end: Some(digit_end),
    // SAFETY: null is what all other fields, pointers and numbers, are when they are not used.
    ..unsafe { std::mem::zeroed() }
});

/// What a channel's `tech_pvt` points to. Asterisk's channel lock guards it.
struct Private {
    leg: Leg,
    /// What `read` last returned; stays in place until the next read.
    voice: ast::ast_frame,
    answer: ast::ast_frame,
    /// Dialled and not yet answered: the first frame from the daemon answers.
    ringing: bool,
}

/// Why a channel was refused, with the cause the caller's side is told.
struct Refusal(String, u32);

/// Makes the technology known. False, with a line in the log, when Asterisk refuses.
pub(crate) fn register() -> bool {
    // SAFETY: the technology is static; its capabilities are set once, before Asterisk learns of it.
    let registered = unsafe {
        let capabilities = slin16_only();
        (*TECHNOLOGY.get()).capabilities = capabilities;
        !capabilities.is_null() && ast::ast_channel_register(TECHNOLOGY.get()) == 0
    };
    if !registered {
        log(Level::Error, "SlinPipe could not be registered: is another channel driver of that name loaded?");
        release_capabilities();
    }
    registered
}

pub(crate) fn unregister() {
    // SAFETY: it was registered, and no channel is left, as each holds the module.
    unsafe { ast::ast_channel_unregister(TECHNOLOGY.get()) };
    release_capabilities();
}

/// The legs that are up.
pub(crate) fn legs() -> Vec<Arc<Entry>> {
    lock_legs().clone()
}

fn lock_legs() -> MutexGuard<'static, Vec<Arc<Entry>>> {
    LEGS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn release_capabilities() {
    // SAFETY: the reference is the technology's own, and nobody uses the technology at this point.
    unsafe {
        let capabilities = std::mem::replace(&mut (*TECHNOLOGY.get()).capabilities, ptr::null_mut());
        if !capabilities.is_null() {
            ast::release(capabilities);
        }
    }
}

/// A new set of formats with SLIN16 alone in it; null when memory is out.
pub(crate) fn slin16_only() -> *mut ast::ast_format_cap {
    let [tag, file, function] = [c"slinpipe", c"chan_slinpipe", c"slin16_only"].map(CStr::as_ptr);
    // SAFETY: Asterisk's formats exist before any module is loaded; the strings are static.
    unsafe {
        let capabilities =
            ast::__ast_format_cap_alloc(ast::AST_FORMAT_CAP_FLAG_DEFAULT, tag, file, 0, function);
        if !capabilities.is_null() {
            ast::__ast_format_cap_append(capabilities, ast::ast_format_slin16, 0, tag, file, 0, function);
        }
        capabilities
    }
}

/// Makes the pipes and a channel for them. The pipes exist from here on, so that ARI's `channels/create` gives them too.
unsafe extern "C" fn request(
    _type: *const c_char,
    _formats: *mut ast::ast_format_cap,
    ids: *const ast::ast_assigned_ids,
    requestor: *const ast::ast_channel,
    address: *const c_char,
    cause: *mut c_int,
) -> *mut ast::ast_channel {
    // SAFETY: Asterisk gives a C string, or null for none.
    let address = unsafe { if address.is_null() { c"" } else { CStr::from_ptr(address) } };
    // SAFETY: as Asterisk gave them.
    match make_leg(address).and_then(|leg| unsafe { make_channel(leg, ids, requestor) }) {
        Ok(channel) => channel,
        Err(Refusal(reason, told)) => {
            log(
                Level::Error,
                format_args!("SlinPipe/{}: {reason}", address.to_string_lossy().escape_debug()),
            );
            // SAFETY: Asterisk gives a place for the cause.
            unsafe { *cause = told as c_int };
            ptr::null_mut()
        }
    }
}

fn make_leg(address: &CStr) -> Result<Leg, Refusal> {
    let id = LegId::parse(address.to_bytes())
        .map_err(|error| Refusal(error.to_string(), ast::AST_CAUSE_INVALID_NUMBER_FORMAT))?;
    let settings = module::settings();
    let fifos = FifoPair::create(&settings.directory, &id, settings.pipe_bytes)
        .map_err(|error| Refusal(error.to_string(), ast::AST_CAUSE_NORMAL_TEMPORARY_FAILURE))?;
    Ok(Leg::new(id, fifos))
}

/// # Safety
/// `ids` and `requestor` are null or what Asterisk gave to `request`.
unsafe fn make_channel(
    leg: Leg,
    ids: *const ast::ast_assigned_ids,
    requestor: *const ast::ast_channel,
) -> Result<*mut ast::ast_channel, Refusal> {
    let out_of_memory = || Refusal("no memory for a channel".into(), ast::AST_CAUSE_SWITCH_CONGESTION);
    let formats = slin16_only();
    if formats.is_null() {
        return Err(out_of_memory());
    }
    let name = c_string(leg.entry.id.as_str());
    let none = c"".as_ptr();
    // SAFETY: the strings outlive the call, the format takes one of them, and null means none.
    let channel = unsafe {
        ast::__ast_channel_alloc(
            1,
            ast::AST_STATE_DOWN as c_int,
            none,
            none,
            none,
            none,
            none,
            ids,
            requestor,
            ast::AST_AMA_NONE,
            ptr::null_mut(),
            c"chan_slinpipe".as_ptr(),
            0,
            c"request".as_ptr(),
            c"SlinPipe/%s".as_ptr(),
            name.as_ptr(),
        )
    };
    if channel.is_null() {
        // SAFETY: this reference was the only one.
        unsafe { ast::release(formats) };
        return Err(out_of_memory());
    }
    // SAFETY: the channel came locked from the allocation; `formats` is shared with it and given back.
    unsafe {
        equip(channel, leg, formats);
        ast::__ao2_unlock(
            channel.cast(),
            c"chan_slinpipe".as_ptr(),
            c"request".as_ptr(),
            0,
            c"channel".as_ptr(),
        );
        ast::release(formats);
    }
    Ok(channel)
}

/// Gives a new channel its technology, formats, leg and descriptor, and holds the module for it.
///
/// # Safety
/// `channel` is new and locked.
unsafe fn equip(channel: *mut ast::ast_channel, leg: Leg, formats: *mut ast::ast_format_cap) {
    lock_legs().push(Arc::clone(&leg.entry));
    let readable = leg.readable_fd();
    // SAFETY: zeros make an empty frame.
    let empty = || unsafe { std::mem::zeroed::<ast::ast_frame>() };
    let private = Box::new(Private { leg, voice: empty(), answer: empty(), ringing: false });
    // SAFETY: the caller's promise; the module is loaded, so its handle is set; `hangup` takes the box back.
    unsafe {
        ast::__ast_module_ref(module::handle(), c"chan_slinpipe".as_ptr(), 0, c"request".as_ptr());
        ast::ast_channel_tech_set(channel, TECHNOLOGY.get());
        ast::ast_channel_nativeformats_set(channel, formats);
        ast::ast_channel_set_readformat(channel, ast::ast_format_slin16);
        ast::ast_channel_set_rawreadformat(channel, ast::ast_format_slin16);
        ast::ast_channel_set_writeformat(channel, ast::ast_format_slin16);
        ast::ast_channel_set_rawwriteformat(channel, ast::ast_format_slin16);
        ast::ast_channel_tech_pvt_set(channel, Box::into_raw(private).cast());
        ast::ast_channel_set_fd(channel, 0, readable);
    }
}

/// The channel's own data; none after its hangup.
///
/// # Safety
/// `channel` is a locked SlinPipe channel, and no other reference to its data is alive.
unsafe fn private<'a>(channel: *mut ast::ast_channel) -> Option<&'a mut Private> {
    // SAFETY: `equip` put a `Private` there, and `hangup` puts null in its place before it frees it.
    unsafe { ast::ast_channel_tech_pvt(channel).cast::<Private>().as_mut() }
}

/// Rings; the daemon's first frame answers.
unsafe extern "C" fn call(channel: *mut ast::ast_channel, _address: *const c_char, _timeout: c_int) -> c_int {
    // SAFETY: Asterisk holds the channel's lock.
    unsafe {
        let Some(private) = private(channel) else { return -1 };
        private.ringing = true;
        ast::ast_setstate(channel, ast::AST_STATE_RINGING);
        ast::ast_queue_control(channel, ast::AST_CONTROL_RINGING)
    }
}

/// Closes and unlinks the pipes, which tells the daemon.
unsafe extern "C" fn hangup(channel: *mut ast::ast_channel) -> c_int {
    // SAFETY: Asterisk holds the channel's lock and calls this once; the box is the one that `equip` gave away.
    let private = unsafe {
        let private = ast::ast_channel_tech_pvt(channel).cast::<Private>();
        if private.is_null() {
            return 0;
        }
        ast::ast_channel_set_fd(channel, 0, -1);
        ast::ast_channel_tech_pvt_set(channel, ptr::null_mut());
        Box::from_raw(private)
    };
    let entry = Arc::clone(&private.leg.entry);
    drop(private);
    lock_legs().retain(|leg| !Arc::ptr_eq(leg, &entry));
    if entry.counts.dropped() > 0 {
        log(
            Level::Notice,
            format_args!(
                "SlinPipe/{} ended after {} dropped frames",
                entry.id.as_str(),
                entry.counts.dropped()
            ),
        );
    }
    // SAFETY: gives back the reference that `equip` took.
    unsafe { ast::__ast_module_unref(module::handle(), c"chan_slinpipe".as_ptr(), 0, c"hangup".as_ptr()) };
    0
}

/// Called when the pipe is readable: a frame, or nothing yet. The first frame brings the answer along.
unsafe extern "C" fn read(channel: *mut ast::ast_channel) -> *mut ast::ast_frame {
    // SAFETY: Asterisk holds the channel's lock.
    let Some(private) = (unsafe { private(channel) }) else { return ptr::null_mut() };
    match private.leg.fetch() {
        Ok(None) => &raw mut ast::ast_null_frame,
        Ok(Some(audio)) => {
            let audio = audio.as_mut_ptr();
            private.returned(audio)
        }
        Err(errno) => {
            log(
                Level::Error,
                format_args!(
                    "SlinPipe/{}: the pipe cannot be read, the call ends: {errno}",
                    private.leg.entry.id.as_str()
                ),
            );
            ptr::null_mut()
        }
    }
}

impl Private {
    /// The frame, or chain of frames, to return for audio that stays in place until the next read.
    fn returned(&mut self, audio: *mut u8) -> *mut ast::ast_frame {
        // SAFETY: zeros make an empty frame, and SLIN16 is there while Asterisk is.
        self.voice = unsafe { std::mem::zeroed() };
        self.voice.frametype = ast::AST_FRAME_VOICE;
        // SAFETY: as above.
        self.voice.subclass.__bindgen_anon_1.format = unsafe { ast::ast_format_slin16 };
        self.voice.data.ptr = audio.cast();
        self.voice.datalen = FRAME_BYTES as c_int;
        self.voice.samples = FRAME_SAMPLES as c_int;
        self.voice.src = c"SlinPipe".as_ptr();
        if !std::mem::take(&mut self.ringing) {
            return &raw mut self.voice;
        }
        self.answer.frametype = ast::AST_FRAME_CONTROL;
        self.answer.subclass.integer = ast::AST_CONTROL_ANSWER as c_int;
        self.answer.frame_list.next = &raw mut self.voice;
        &raw mut self.answer
    }
}

/// Passes the caller's audio on. A drop is counted, and no reason to end the call: always 0.
unsafe extern "C" fn write(channel: *mut ast::ast_channel, frame: *mut ast::ast_frame) -> c_int {
    // SAFETY: Asterisk holds the channel's lock and gives a frame; voice carries `datalen` bytes in a format.
    unsafe {
        let (Some(private), Some(frame)) = (private(channel), frame.as_ref()) else { return 0 };
        if frame.frametype != ast::AST_FRAME_VOICE || frame.data.ptr.is_null() || frame.datalen <= 0 {
            return 0;
        }
        if ast::ast_format_cmp(frame.subclass.__bindgen_anon_1.format, ast::ast_format_slin16)
            != ast::AST_FORMAT_CMP_EQUAL
        {
            Counts::add(&private.leg.entry.counts.malformed);
            return 0;
        }
        private.leg.deliver(slice::from_raw_parts(frame.data.ptr.cast::<u8>(), frame.datalen as usize));
    }
    0
}

/// Keeps Asterisk from playing its own tones into the pipe.
unsafe extern "C" fn indicate(
    _channel: *mut ast::ast_channel,
    condition: c_int,
    _data: *const c_void,
    _length: usize,
) -> c_int {
    match condition.cast_unsigned() {
        ast::AST_CONTROL_RINGING
        | ast::AST_CONTROL_BUSY
        | ast::AST_CONTROL_CONGESTION
        | ast::AST_CONTROL_INCOMPLETE => 0,
        _ => -1,
    }
}

unsafe extern "C" fn fixup(_old: *mut ast::ast_channel, _new: *mut ast::ast_channel) -> c_int {
    // A `Private` does not know its channel.
    0
}

/// Keys pass beside the audio, as Asterisk's events: were this refused, Asterisk would play the tone into the pipe.
unsafe extern "C" fn digit_begin(_channel: *mut ast::ast_channel, _digit: c_char) -> c_int {
    0
}

unsafe extern "C" fn digit_end(
    channel: *mut ast::ast_channel,
    digit: c_char,
    _milliseconds: c_uint,
) -> c_int {
    let [file, function, name] = [c"chan_slinpipe", c"digit_end", c"channel"].map(CStr::as_ptr);
    // SAFETY: unlike the other callbacks this one comes without the channel's lock, so it takes and gives it back.
    unsafe {
        ast::__ao2_lock(channel.cast(), ast::AO2_LOCK_REQ_MUTEX, file, function, 0, name);
        if let Some(private) = private(channel) {
            let entry = &private.leg.entry;
            Counts::add(&entry.counts.digits);
            // Where nobody listens no room wants keys.
            keys::tell(&module::settings().directory, &entry.id, digit.cast_unsigned()).unwrap_or_default();
        }
        ast::__ao2_unlock(channel.cast(), file, function, 0, name);
    }
    0
}
