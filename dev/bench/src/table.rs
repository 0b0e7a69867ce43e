//! Tables for people: medians with their spread, in columns that fit a terminal.

use std::fmt::Write;

/// Columns of a terminal.
pub(crate) const TERMINAL: usize = 100;

/// Median, least and most of several runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            (values[middle - 1] + values[middle]) / 2.0
        } else {
            values[middle]
        };
        Some(Spread { median, least, most })
    }
}

/// Markdown tables whose columns stand below each other; all but the first to the right. Columns
/// that would be too far right for a terminal are in a further table.
pub(crate) fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let length = |line: &Vec<String>, column: usize| line.get(column).map_or(0, chars);
    let widest = |column| lines.iter().map(|line| length(line, column)).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let mut tables: Vec<(usize, Vec<usize>)> = Vec::new();
    for (column, width) in (0..columns).zip(&widths).skip(1) {
        match tables.last_mut() {
            Some((width_so_far, chosen)) if *width_so_far + width + 3 <= TERMINAL => {
                *width_so_far += width + 3;
                chosen.push(column);
            }
            _ => tables.push((widths[0] + width + 7, vec![0, column])),
        }
    }
    let tables = tables.iter().map(|(_, chosen)| one_table(lines, chosen, &widths));
    tables.collect::<Vec<_>>().join("\n")
}

/// The table of some of the columns.
fn one_table(lines: &[Vec<String>], chosen: &[usize], widths: &[usize]) -> String {
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for column in chosen {
            let (cell, width) = (&line[*column], widths[*column]);
            let space = " ".repeat(width - chars(cell));
            let _ = match column {
                0 => write!(text, "| {cell}{space} |"),
                _ => write!(text, " {space}{cell} |"),
            };
        }
        text.push('\n');
        if number == 0 {
            for column in chosen {
                let dashes = "-".repeat(widths[*column] + 1);
                let _ = match column {
                    0 => write!(text, "|{dashes}-|"),
                    _ => write!(text, "{dashes}:|"),
                };
            }
            text.push('\n');
        }
    }
    text
}

pub(crate) fn chars(text: impl AsRef<str>) -> usize {
    text.as_ref().chars().count()
}

/// Lines that fit a terminal.
pub(crate) fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if chars(&*line) + 1 + chars(word) <= TERMINAL => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

pub(crate) fn cell(spread: Spread) -> String {
    format!("{} ({}-{})", short(spread.median), short(spread.least), short(spread.most))
}

/// Two significant digits at least, with a comma after every three before the point.
pub(crate) fn short(value: f64) -> String {
    let decimals = usize::from(value.abs() < 10.0 && value.fract() != 0.0);
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        let spread = |values: &[f64]| Spread::of(values.to_vec());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0]), Some(Spread { median: 2.5, least: 1.0, most: 4.0 }));
    }

    #[test]
    fn numbers_are_short_and_grouped() {
        let texts = [0.0, 4.25, 9.0, 12.6, 1_234_567.0, -4_321.0, -999.0].map(short);
        assert_eq!(texts, ["0", "4.2", "9", "13", "1,234,567", "-4,321", "-999"]);
    }
}
