//! What must the bytes of a file add up to?

/// A SHA-256.
pub type Sha256 = [u8; 32];

/// The longest CHECKSUM that is read: a sum, and a name with room.
const TEXT_BYTES_MAX: usize = 1_024;

/// Why a text is not the CHECKSUM of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// Not `<64 hexadecimal digits>  <file name>`.
    #[error("not `<sha-256>  <file name>`: is it a web page?")]
    Malformed,
    /// The sum of another file.
    #[error("it is of `{named}`")]
    OtherFile {
        /// The file it names.
        named: String,
    },
}

/// Reads the body of a `.zip.CHECKSUM`, which must be of the file called `zip_name`.
///
/// # Errors
///
/// When the text is something else, or another file's.
pub fn checksum(body: &[u8], zip_name: &str) -> Result<Sha256, ChecksumError> {
    let text = Some(body).filter(|body| body.len() <= TEXT_BYTES_MAX).and_then(|body| std::str::from_utf8(body).ok());
    let (sum, name) = text.and_then(|text| text.trim_end().split_once(' ')).ok_or(ChecksumError::Malformed)?;
    let sum = sha256(sum.as_bytes()).ok_or(ChecksumError::Malformed)?;
    // One more space, or a star: the file was read as text, or as bytes.
    let name = name.strip_prefix([' ', '*']).unwrap_or(name);
    if name != zip_name {
        return Err(ChecksumError::OtherFile { named: name.to_owned() });
    }
    Ok(sum)
}

fn sha256(text: &[u8]) -> Option<Sha256> {
    let mut sum = [0; 32];
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != sum.len() {
        return None;
    }
    for (byte, &[high, low]) in sum.iter_mut().zip(pairs) {
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(sum)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "BTCUSDT-aggTrades-2026-03-09.zip";

    #[test]
    fn a_sum_and_its_file() {
        let sum = "00ff".repeat(16);
        let bytes: Sha256 = std::array::from_fn(|at| if at % 2 == 0 { 0 } else { 0xFF });
        for body in [
            format!("{sum}  {NAME}\n"),
            format!("{sum}  {NAME}"),
            format!("{sum}  {NAME}\r\n"),
            format!("{sum} *{NAME}\n"),
            format!("{}  {NAME}\n", sum.to_uppercase()),
        ] {
            assert_eq!(checksum(body.as_bytes(), NAME), Ok(bytes), "{body}");
        }
        let other = checksum(format!("{sum}  ETHUSDT.zip\n").as_bytes(), NAME);
        assert_eq!(other, Err(ChecksumError::OtherFile { named: "ETHUSDT.zip".to_owned() }));
    }

    #[test]
    fn anything_else_is_malformed() {
        let sum = "00ff".repeat(16);
        for body in [
            String::new(),
            sum.clone(),
            format!("{}  {NAME}", &sum[1..]),
            format!("{sum}0  {NAME}"),
            format!("{}g  {NAME}", &sum[1..]),
            format!("{sum}  {NAME}{}", " ".repeat(1_024)),
            "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>".to_owned(),
        ] {
            assert_eq!(checksum(body.as_bytes(), NAME), Err(ChecksumError::Malformed), "{body}");
        }
        assert_eq!(checksum(&[0xFF; 80], NAME), Err(ChecksumError::Malformed));
    }
}
