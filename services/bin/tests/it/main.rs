//! What the binaries say about themselves agrees with the documentation.

mod reference;
