//! Differences that are decided: docs/compatibility.md has the reasons.

use super::request::Ask;

/// Whether a difference of this kind is one that is wanted.
pub(super) fn decided(_ask: &Ask, _kind: &str) -> bool {
    false
}
