//! What somebody may have meant who wrote a name that does not exist.

/// How like two names must be. Lower ones are no help.
const LIKE: f64 = 0.6;

/// "; did you mean …?" with the candidate that is most like `name`, if one is
/// like it.
pub(super) fn did_you_mean<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    closest(name, candidates).map(|best| format!("; did you mean {best}?"))
}

pub(super) fn closest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // The comparison takes the product of the lengths.
    if name.len() > 100 {
        return None;
    }
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let like = strsim::normalized_damerau_levenshtein(&name, &candidate.to_lowercase());
            (like, candidate)
        })
        .filter(|(like, _)| *like >= LIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors() {
        let names = ["broker.url", "broker.user", "broker.client_id"];
        let closest = |name| closest(name, names);
        assert_eq!(closest("broker.urll"), Some("broker.url"));
        assert_eq!(closest("broker.clientid"), Some("broker.client_id"));
        assert_eq!(closest("BROKER.URL"), Some("broker.url"));
        assert_eq!(closest("x"), None);
        assert_eq!(closest(&"broker.url".repeat(1000)), None);
        assert_eq!(
            did_you_mean("broker.usr", names).unwrap(),
            "; did you mean broker.user?"
        );
    }
}
