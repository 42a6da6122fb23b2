//! Vendors that a test writes itself.

use std::net::{TcpListener, TcpStream};
use std::thread;

/// Serves each connection in a thread of its own; its address.
pub(crate) fn serve(each: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = each.clone();
            thread::spawn(move || each(stream));
        }
    });
    address
}
