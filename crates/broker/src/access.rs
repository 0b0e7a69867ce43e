//! Who may connect.

/// A name and its password.
#[derive(Debug, Clone)]
pub struct User {
    /// The name.
    pub user: String,
    /// The password in clear.
    pub password: String,
}

/// What a client shows at the door.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// A token.
    pub token: Option<&'a str>,
    /// A user name.
    pub user: Option<&'a str>,
    /// That user's password.
    pub password: Option<&'a str>,
}

/// The client is not let in. It is not told whether the name or the password was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessDenied;

/// The rules of the door. Without token and users everybody may enter.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// A token that opens it.
    pub token: Option<String>,
    /// Users who may enter.
    pub users: Vec<User>,
}

impl Access {
    /// Whether a client has to show anything.
    pub fn is_required(&self) -> bool {
        self.token.is_some() || !self.users.is_empty()
    }

    /// Lets a client in, under the name of its user if it has one.
    ///
    /// # Errors
    ///
    /// [`AccessDenied`] when nothing it shows opens the door.
    ///
    /// # Examples
    ///
    /// ```
    /// use floodway_broker::{Access, AccessDenied, Credentials};
    /// let access = Access { token: Some("s3cret".into()), users: Vec::new() };
    /// let shown = Credentials { token: Some("s3cret"), ..Credentials::default() };
    /// assert_eq!(access.check(&shown), Ok(None));
    /// assert_eq!(access.check(&Credentials::default()), Err(AccessDenied));
    /// ```
    pub fn check(&self, shown: &Credentials<'_>) -> Result<Option<String>, AccessDenied> {
        if !self.is_required() {
            return Ok(shown.user.map(str::to_owned));
        }
        if let (Some(token), Some(shown)) = (&self.token, shown.token)
            && same(token, shown)
        {
            return Ok(None);
        }
        let (Some(name), Some(password)) = (shown.user, shown.password) else {
            return Err(AccessDenied);
        };
        let known = self.users.iter().find(|known| known.user == name);
        match known {
            Some(known) if same(&known.password, password) => Ok(Some(name.to_owned())),
            _ => Err(AccessDenied),
        }
    }
}

/// Compares in a time that does not tell how much of a guess was right.
fn same(secret: &str, guess: &str) -> bool {
    let differences = secret.bytes().zip(guess.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    secret.len() == guess.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_pair_or_the_token_opens() {
        let user =
            |user: &str, password: &str| User { user: user.into(), password: password.into() };
        let users = vec![user("a", "pa"), user("b", "pb")];
        let access = Access { token: Some("t".into()), users };
        let try_user = |user, password| {
            access.check(&Credentials { token: None, user: Some(user), password: Some(password) })
        };
        assert_eq!(try_user("a", "pa"), Ok(Some("a".into())));
        for (user, password) in [("a", "pb"), ("b", "pa"), ("a", ""), ("c", "pa"), ("a", "pa ")] {
            assert_eq!(try_user(user, password), Err(AccessDenied), "{user} {password}");
        }
        let only_user = Credentials { user: Some("a"), ..Credentials::default() };
        assert_eq!(access.check(&only_user), Err(AccessDenied));
    }
}
