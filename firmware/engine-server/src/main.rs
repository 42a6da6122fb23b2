//! Speech recognition, translation and speech on the device, as a server of its own.

fn main() {}
