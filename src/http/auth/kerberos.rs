//! Kerberos tickets from the machine's GSSAPI library.

use std::{env, sync::Arc};

use libgssapi::{
    context::{ClientCtx, CtxFlags, SecurityContext},
    credential::{Cred, CredUsage},
    name::Name,
    oid::{GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet},
};

use super::{
    negotiate::{NegotiateExchange, NegotiateProvider},
    scheme::Auth,
};
use crate::error::{Error, ErrorKind, Result};

/// Logs in with Kerberos tickets, by the machine's GSSAPI library and its configuration (`krb5.conf`).
///
/// Tickets come from the process's credential cache (`KRB5CCNAME`, filled by `kinit`), or, where that holds none, are
/// fetched with the process's client keytab (`KRB5_CLIENT_KTNAME`) and renewed before they end.
#[derive(Clone, Debug)]
pub struct Kerberos {
    service: String,
    principal: Option<String>,
    delegate: bool,
}

impl Kerberos {
    /// Tickets for a service: `HTTP@host`, or a principal, `HTTP/host@REALM`.
    pub fn new(service: impl Into<String>) -> Self {
        Self { service: service.into(), principal: None, delegate: false }
    }

    /// Logs in as this principal; the default of cache or keytab when not called.
    pub fn principal(mut self, principal: Option<String>) -> Self {
        self.principal = principal;
        self
    }

    /// Lets the server act in the client's name, where the realm allows it.
    pub fn delegate(mut self, delegate: bool) -> Self {
        self.delegate = delegate;
        self
    }

    /// As a way to log in.
    pub fn auth(self) -> Auth {
        Auth::negotiate(Arc::new(self))
    }

    /// Checks that the process takes its keys and tickets from these files: the library reads their names from the
    /// environment, which a program cannot safely change once it runs.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) naming the variable to start the program with.
    pub fn check_files(keytab: Option<&str>, cache: Option<&str>) -> Result<()> {
        let files = [("kerberos_keytab", "KRB5_CLIENT_KTNAME", keytab), ("kerberos_ccache", "KRB5CCNAME", cache)];
        for (option, variable, wanted) in files {
            let Some(wanted) = wanted else { continue };
            let set = env::var(variable).unwrap_or_default();
            if plain(&set) != plain(wanted) {
                return Err(Error::new(ErrorKind::Config, "the Kerberos library of this process uses another file")
                    .with("option", option)
                    .help(format!("start the program with the environment variable {variable}={wanted}")));
            }
        }
        Ok(())
    }

    fn start(&self) -> Result<ClientCtx, libgssapi::error::Error> {
        let kind = if self.service.contains('/') { GSS_NT_KRB5_PRINCIPAL } else { GSS_NT_HOSTBASED_SERVICE };
        let target = Name::new(self.service.as_bytes(), Some(kind))?;
        let principal = self.principal.as_ref();
        let principal = principal.map(|name| Name::new(name.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL))).transpose()?;
        let mechanisms = OidSet::singleton(GSS_MECH_SPNEGO)?;
        let own = Cred::acquire(principal.as_ref(), None, CredUsage::Initiate, Some(&mechanisms))?;
        let mut flags = CtxFlags::GSS_C_MUTUAL_FLAG;
        flags.set(CtxFlags::GSS_C_DELEG_FLAG, self.delegate);
        Ok(ClientCtx::new(Some(own), target, flags, Some(GSS_MECH_SPNEGO)))
    }
}

impl NegotiateProvider for Kerberos {
    fn begin(&self) -> Result<Box<dyn NegotiateExchange>> {
        match self.start() {
            Ok(context) => Ok(Box::new(Login { context, service: self.service.clone() })),
            Err(error) => Err(Error::new(ErrorKind::Auth, "there are no Kerberos credentials to log in with")
                .with("reason", error)
                .help(
                    "run kinit, or start the program with KRB5_CLIENT_KTNAME=KEYTAB; kerberos_principal must be in there",
                )),
        }
    }
}

struct Login {
    context: ClientCtx,
    service: String,
}

impl NegotiateExchange for Login {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        match self.context.step(token, None) {
            Ok(next) => Ok(next.filter(|next| !next.is_empty()).map(|next| next.to_vec())),
            Err(error) => Err(Error::new(ErrorKind::Auth, "the Kerberos login failed")
                .with("service", &self.service)
                .with("reason", error)
                .help("check kerberos_spn (HTTP@host by default), the realm in krb5.conf, and that clocks agree")),
        }
    }

    fn is_done(&self) -> bool {
        self.context.is_complete()
    }
}

/// The name of a file without the prefix that says so.
fn plain(file: &str) -> &str {
    file.strip_prefix("FILE:").unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_the_process_does_not_use_are_refused_with_the_variable_to_set() {
        Kerberos::check_files(None, None).unwrap();
        let error = Kerberos::check_files(Some("/nowhere/svc.keytab"), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.help_text().unwrap().contains("KRB5_CLIENT_KTNAME=/nowhere/svc.keytab"));
        assert_eq!(plain("FILE:cache"), "cache");
    }
}
