//! Ids cited in comments: `checklist: A1, A2` or `spec: OVF-3`.

/// Every id that follows `keyword` (which ends with a colon) in `text`, with its line number.
///
/// Several ids are separated by commas; the first word that is not an id ends the list, so that a
/// sentence may go on behind it.
pub(super) fn cited<'a>(
    text: &'a str,
    keyword: &'a str,
    is_id: fn(&str) -> bool,
) -> impl Iterator<Item = (usize, &'a str)> {
    (1..).zip(text.lines()).flat_map(move |(number, line)| {
        line.match_indices(keyword)
            .filter(move |(at, _)| !line[..*at].ends_with(is_word))
            .flat_map(move |(at, _)| ids(&line[at + keyword.len()..], is_id))
            .map(move |id| (number, id))
    })
}

/// The leading comma-separated ids of `list`.
fn ids(list: &str, is_id: fn(&str) -> bool) -> Vec<&str> {
    let mut found = Vec::new();
    for part in list.split(',') {
        let part = part.trim_start();
        let end = part.find(|c| !is_word(c) && c != '-').unwrap_or(part.len());
        if !is_id(&part[..end]) {
            break;
        }
        found.push(&part[..end]);
        if !part[end..].trim().is_empty() {
            break;
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
