//! Wire formats of the speech and translation engines: bytes in, bytes out.
