"""The domains that give a mailbox to anybody, as far as we knew when this was released."""

# fmt: off
PUBLIC_MAIL_DOMAINS = (
    "126.com", "139.com", "163.com", "189.cn", "aliyun.com", "aol.com", "atomicmail.io",
    "bk.ru", "bluewin.ch", "daum.net", "email.cz", "fastmail.com", "fastmail.fm",
    "foxmail.com", "free.fr", "freenet.de", "gmail.com", "gmx.at", "gmx.ch", "gmx.com",
    "gmx.de", "gmx.net", "googlemail.com", "hanmail.net", "hey.com", "hotmail.co.uk",
    "hotmail.com", "hotmail.com.vn", "hotmail.de", "hotmail.es", "hotmail.fr", "hotmail.it",
    "icloud.com", "inbox.lv", "inbox.ru", "interia.pl", "kakao.com", "laposte.net",
    "libero.it", "list.ru", "live.com", "live.fr", "live.nl", "mac.com", "mail.com",
    "mail.ru", "me.com", "msn.com", "nate.com", "naver.com", "o2.pl", "orange.fr",
    "outlook.com", "outlook.com.vn", "outlook.de", "outlook.es", "outlook.fr", "outlook.it",
    "pm.me", "proton.me", "protonmail.ch", "protonmail.com", "qq.com", "rediffmail.com",
    "seznam.cz", "sfr.fr", "sina.cn", "sina.com", "sohu.com", "t-online.de", "tuta.com",
    "tutanota.com", "uol.com.br", "vip.163.com", "vip.qq.com", "virgilio.it", "web.de",
    "wp.pl", "ya.ru", "yahoo.ca", "yahoo.co.id", "yahoo.co.in", "yahoo.co.jp", "yahoo.co.uk",
    "yahoo.com", "yahoo.com.br", "yahoo.com.sg", "yahoo.com.tw", "yahoo.com.vn", "yahoo.de",
    "yahoo.es", "yahoo.fr", "yahoo.in", "yahoo.it", "yandex.com", "yandex.ru", "yeah.net",
    "ymail.com", "zoho.com",
)
# fmt: on
