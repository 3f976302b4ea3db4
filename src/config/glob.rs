//! Does a symbol fit a pattern?

/// Whether `text` fits `pattern`, in which `*` is any text and `?` any one character. Letters are compared as they are.
///
/// Takes at most the product of both lengths.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // After the newest star, and where the text that it covers ends; a mismatch makes it cover one character more.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), star) {
            (Some('*'), _) => {
                p += 1;
                star = Some((p, t));
            }
            (Some(c), _) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            (_, Some((after, covered))) => {
                p = after;
                t = covered + 1;
                star = Some((after, t));
            }
            (_, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, by recursion.
    fn oracle(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => oracle(rest, text) || (!text.is_empty() && oracle(pattern, &text[1..])),
            (['?', rest @ ..], [_, text @ ..]) => oracle(rest, text),
            ([c, rest @ ..], [d, text @ ..]) => c == d && oracle(rest, text),
            _ => false,
        }
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("BTC*", "BTCUSDT", true),
            ("BTC*", "1000BTCUSDT", false),
            ("*USDT", "币安人生USDT", true),
            ("????USDT", "币安人生USDT", true),
            ("*_??????", "BTCUSDT_261225", true),
            ("*", "", true),
            ("?", "", false),
            ("", "A", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_definition_says(pattern in "[AB*?]{0,8}", text in "[AB]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(fits(&pattern, &text), oracle(&chars(&pattern), &chars(&text)));
        }
    }
}
