// lab/text/mailServer.ts: a mail server as a relay has it (postfix, opendkim, dovecot, nginx) as files. Pure; starts nothing.
import { BIGGEST_MESSAGE } from "../plan";
import type { Release } from "../images/recipes";
import { DKIM_MILTER, dkimFiles } from "./dkim";
import type { GuestFile } from "./guest";

export interface MailServer {
  /** The server's own name, also on its certificate. */
  readonly host: string;
  /** The domain whose accounts it has. */
  readonly domain: string;
  /** PEM: the server's certificate followed by the lab's CA, and its key. */
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
  /** PEM: with it the server signs its domain's mail by DKIM. */
  readonly dkimKey?: string;
  /** Debian's, by which the programs' versions go. */
  readonly release: Release;
}

const CERTIFICATE = "/etc/ssl/mail/fullchain.pem";
const KEY = "/etc/ssl/mail/key.pem";
const CA = "/etc/ssl/mail/lab-ca.pem";
/** One file per account: name of the file is the address, its content the password's hash. */
const ACCOUNTS = "/home/vmail/accounts";

export function mailServerFiles(server: MailServer): GuestFile[] {
  return [
    { path: "/etc/hostname", content: `${server.host}\n` },
    { path: "/etc/mailname", content: `${server.host}\n` },
    { path: CERTIFICATE, content: server.certificate },
    { path: KEY, content: server.key, mode: 0o600 },
    { path: CA, content: server.ca },
    { path: "/etc/postfix/main.cf", content: mainCf(server) },
    { path: "/etc/postfix/master.cf", content: masterCf() },
    ...dkimFiles(server.domain, server.dkimKey),
    { path: "/etc/dovecot/dovecot.conf", content: dovecotConf(server.release) },
    { path: "/etc/dovecot/accounts.lua", content: accountsLua(server.domain) },
    { path: "/etc/nginx/conf.d/relay.conf", content: nginxConf(server.host) },
    {
      path: "/var/www/relay/index.html",
      content: `<!doctype html>\n<title>${server.domain}</title>\n<p>This is the relay ${server.domain} of the chatmail-proxy lab.</p>\n`,
    },
    // postfix makes its directory at its first start; dovecot, which listens in there, may be quicker.
    {
      path: "/etc/tmpfiles.d/mail.conf",
      content: `d ${ACCOUNTS} 0700 vmail vmail\nd /var/spool/postfix/private 0700 postfix root\n`,
    },
    // Hours of a test's logs, over restarts.
    {
      path: "/etc/systemd/journald.conf.d/lab.conf",
      content: "[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nSystemMaxUse=200M\n",
    },
  ];
}

function mainCf({ host, domain }: MailServer): string {
  return `compatibility_level = 3.6
myhostname = ${host}
mydomain = ${domain}
myorigin = ${domain}
mydestination = localhost
inet_interfaces = all
inet_protocols = all
mynetworks = 127.0.0.0/8 [::1]/128
message_size_limit = ${BIGGEST_MESSAGE}
mailbox_size_limit = 0
virtual_mailbox_limit = 0
virtual_mailbox_domains = ${domain}
virtual_transport = lmtp:unix:private/dovecot-lmtp
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated reject_unauth_destination
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = no
smtpd_milters = ${DKIM_MILTER}
non_smtpd_milters = $smtpd_milters
# While opendkim starts, mail is not to wait for it.
milter_default_action = accept
smtpd_tls_chain_files = ${KEY} ${CERTIFICATE}
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_loglevel = 1
smtp_tls_security_level = may
smtp_tls_CAfile = ${CA}
smtp_tls_loglevel = 1
maillog_file =
# A retry in minutes, as on the real internet, would make every test that breaks a line wait for it.
queue_run_delay = 5s
minimal_backoff_time = 5s
maximal_backoff_time = 15s
smtp_connect_timeout = 10s
`;
}

// Not chrooted: Debian's jail wants copies of resolv.conf and the CA, which go stale.
function masterCf(): string {
  const submission =
    "-o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject -o smtpd_client_restrictions=permit_sasl_authenticated,reject";
  return `smtp inet n - n - - smtpd
submission inet n - n - - smtpd -o syslog_name=postfix/submission -o smtpd_tls_security_level=encrypt ${submission}
submissions inet n - n - - smtpd -o syslog_name=postfix/submissions -o smtpd_tls_wrappermode=yes ${submission}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;
}

/** What Dovecot 2.4 (Debian 13) calls otherwise than 2.3 (Debian 12). */
const DOVECOT: Record<Release, string> = {
  trixie: `dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
ssl_server_cert_file = ${CERTIFICATE}
ssl_server_key_file = ${KEY}
auth_allow_cleartext = no
mail_driver = maildir
mail_path = ~/mail
passdb lua {
  driver = lua
  lua_file = /etc/dovecot/accounts.lua
}
userdb lua {
  driver = lua
  lua_file = /etc/dovecot/accounts.lua
}`,
  bookworm: `ssl_cert = <${CERTIFICATE}
ssl_key = <${KEY}
disable_plaintext_auth = yes
mail_location = maildir:~/mail
passdb {
  driver = lua
  args = file=/etc/dovecot/accounts.lua blocking=yes
}
userdb {
  driver = lua
  args = file=/etc/dovecot/accounts.lua blocking=yes
}`,
};

function dovecotConf(release: Release): string {
  return `${DOVECOT[release]}
protocols = imap lmtp
listen = *, ::
ssl = required
auth_mechanisms = plain login
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 5000
log_path = syslog

namespace inbox {
  inbox = yes
}

service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}

# The account's file is made by whoever checks the password.
service auth-worker {
  user = vmail
}

service lmtp {
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    mode = 0600
    user = postfix
    group = postfix
  }
}
`;
}

function accountsLua(domain: string): string {
  return `-- An account is made by its first login, as chatmail does it: any name of the domain, any password of 8 characters
-- or more. From then on that password is the account's.
local accounts = "${ACCOUNTS}"
local domain = "${domain}"

local function account_of(name)
  local user = name:lower()
  local localpart, at = user:match("^([a-z0-9][a-z0-9._+-]*)@(.+)$")
  if localpart == nil or at ~= domain then
    return nil
  end
  return user, accounts .. "/" .. user
end

local function read_hash(path)
  local file = io.open(path, "r")
  if file == nil then
    return nil
  end
  local hash = file:read("l")
  file:close()
  return hash
end

-- The password goes to openssl on stdin: arguments are for everybody to see.
local function create(path, password)
  local new = path .. ".new"
  local pipe = io.popen("umask 077; openssl passwd -6 -stdin >'" .. new .. "'", "w")
  pipe:write(password, "\\n")
  if not pipe:close() then
    return nil
  end
  os.rename(new, path)
  return read_hash(path)
end

function auth_password_verify(request, password)
  local user, path = account_of(request.user)
  if user == nil then
    return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "no account of this domain"
  end
  local hash = read_hash(path)
  if hash == nil then
    if #password < 8 or password:find("[%z\\r\\n]") then
      return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "a new account needs a password of 8 characters or more"
    end
    hash = create(path, password)
  end
  if hash ~= nil and request:password_verify("{CRYPT}" .. hash, password) > 0 then
    return dovecot.auth.PASSDB_RESULT_OK, {}
  end
  return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "wrong password"
end

function auth_userdb_lookup(request)
  local user, path = account_of(request.user)
  if user == nil or read_hash(path) == nil then
    return dovecot.auth.USERDB_RESULT_USER_UNKNOWN, "no such account"
  end
  return dovecot.auth.USERDB_RESULT_OK, { uid = "vmail", gid = "vmail", home = "/home/vmail/" .. user }
end

function auth_passdb_lookup(request)
  local user, path = account_of(request.user)
  if user == nil or read_hash(path) == nil then
    return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "no such account"
  end
  return dovecot.auth.PASSDB_RESULT_OK, {}
end

function script_init()
  return 0
end
`;
}

function nginxConf(host: string): string {
  return `server {
	listen 80 default_server;
	listen [::]:80 default_server;
	listen 443 ssl default_server;
	listen [::]:443 ssl default_server;
	server_name ${host};
	ssl_certificate ${CERTIFICATE};
	ssl_certificate_key ${KEY};
	root /var/www/relay;
	access_log /var/log/nginx/access.log combined;
	access_log syslog:server=unix:/dev/log,nohostname combined;
}
`;
}
