//! What we say of ourselves when we connect.

use super::config::{Credentials, LinkConfig};
use super::failure::Failure;
use super::session::Hello;
use super::token;

/// The hello of a connection. Tokens are read from their files each time.
pub(super) fn hello(config: &LinkConfig) -> Result<Hello, Failure> {
    // In whole seconds, and rather longer than what we keep to.
    let seconds = config.keep_alive.as_millis().div_ceil(1000);
    Ok(Hello {
        client_id: config.client_id.clone(),
        keep_alive: u16::try_from(seconds).unwrap_or(u16::MAX),
        login: login(config)?,
        will: config.will.clone(),
    })
}

fn login(config: &LinkConfig) -> Result<Option<(String, String)>, Failure> {
    let login = match &config.credentials {
        Credentials::None => {
            let broker = &config.broker;
            match (broker.user(), broker.password()) {
                (None, None) => return Ok(None),
                (user, password) => (
                    user.unwrap_or_default().to_owned(),
                    password.unwrap_or_default().to_owned(),
                ),
            }
        }
        Credentials::Password { user, password } => (user.clone(), password.clone()),
        Credentials::TokenFile { user, path } => {
            let token = token::read(path).map_err(|e| {
                Failure::refused(format!("cannot read the token {}: {e}", path.display()))
            })?;
            if token.is_empty() {
                return Err(Failure::refused(format!(
                    "there is no token in {}",
                    path.display()
                )));
            }
            let user = user
                .clone()
                .or_else(|| subject(&token))
                .unwrap_or_else(|| config.client_id.clone());
            (user, token)
        }
    };
    let longest = usize::from(u16::MAX);
    if login.0.len() > longest || login.1.len() > longest {
        return Err(Failure::refused(
            "the user name, the password or the token is longer than MQTT allows",
        ));
    }
    Ok(Some(login))
}

/// Whose token it is, if it is a JWT that says so.
fn subject(token: &str) -> Option<String> {
    let claims = token::claims(token)?;
    let subject = claims.get("sub")?.as_str()?;
    (!subject.is_empty()).then(|| subject.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_of_a_token() {
        // {"alg":"none"} . {"sub":"alice"} .
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
        assert_eq!(subject(token).as_deref(), Some("alice"));
        assert_eq!(subject("secret"), None);
        assert_eq!(subject("a.b.c"), None);
        assert_eq!(subject("a.e30.c"), None);
    }
}
