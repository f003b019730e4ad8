//! From matchers to series: the rule that both indexes share.

use roaring::RoaringBitmap;

use crate::matcher::{Matcher, Test};

/// What an index must be able to say.
pub(crate) trait Postings {
    /// What can go wrong.
    type Error;

    /// All series.
    fn all(&self) -> Result<RoaringBitmap, Self::Error>;

    /// Series that have the label, whatever its value.
    fn with_name(&self, name: &str) -> Result<RoaringBitmap, Self::Error>;

    /// Series that have the label with a value that passes. The value is never empty.
    fn passing(&self, name: &str, test: &Test) -> Result<RoaringBitmap, Self::Error>;
}

/// Series that meet all matchers: those that an absent label does not meet intersect, then the others subtract what does not
/// meet them. So no list of the series without a label is needed.
///
/// The subtracting comes last: an index that changes meanwhile must not add a series between.
pub(crate) fn select<P: Postings>(index: &P, matchers: &[Matcher]) -> Result<RoaringBitmap, P::Error> {
    let (mut subtract, mut intersect): (Vec<&Matcher>, Vec<&Matcher>) = matchers.iter().partition(|matcher| matcher.matches_empty());
    intersect.sort_by_key(|matcher| matcher.test().cost());
    subtract.sort_by_key(|matcher| matcher.test().cost());
    let mut selected: Option<RoaringBitmap> = None;
    for matcher in intersect {
        // Without `!` the values that pass are wanted; with it (`!=""`) all but them.
        let mut found = if matcher.matches_when_passing() {
            index.passing(matcher.name(), matcher.test())?
        } else {
            let mut found = index.with_name(matcher.name())?;
            found -= index.passing(matcher.name(), matcher.test())?;
            found
        };
        if let Some(before) = &selected {
            found &= before;
        }
        if found.is_empty() {
            return Ok(found);
        }
        selected = Some(found);
    }
    let mut selected = match selected {
        Some(selected) => selected,
        None => index.all()?,
    };
    for matcher in subtract {
        if selected.is_empty() {
            break;
        }
        if matcher.matches_when_passing() {
            if matches!(matcher.test(), Test::Any) {
                continue;
            }
            // `=""`, `=~"a|"`: of the series that have the label only those stay whose value passes.
            let mut refused = index.with_name(matcher.name())?;
            refused &= &selected;
            if !refused.is_empty() {
                refused -= index.passing(matcher.name(), matcher.test())?;
                selected -= refused;
            }
        } else {
            selected -= index.passing(matcher.name(), matcher.test())?;
        }
    }
    Ok(selected)
}
