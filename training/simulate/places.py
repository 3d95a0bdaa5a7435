"""Where work lies: shares, cloud libraries, Internet domains, cloud services, and clients to reach them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import blake2b

COMPANY = "nordwind"
MAIL_DOMAIN = f"{COMPANY}.example"
AD_DOMAIN = "NORDWIND"
AD_SUFFIX = f"corp.{MAIL_DOMAIN}"

SHARE_FOLDERS = {
    "Finance": ("Invoices", "Closing", "Payroll", "Tax", "Banking", "Audit"),
    "Sales": ("Offers", "Contracts", "Customers", "Pricing", "Forecast"),
    "Marketing": ("Campaigns", "Media", "Events", "Brand"),
    "Engineering": ("Specs", "Releases", "Drawings", "Tests"),
    "Dispatch": ("Routes", "Labels", "Carriers", "Customs"),
    "People": ("Contracts", "Reviews", "Hiring"),
    "IT": ("Software", "Scripts", "Licences", "Images"),
    "Public": ("Forms", "Templates", "Photos", "Canteen"),
    "Projects": ("Aurora", "Borealis", "Castor", "Draco", "Elnath"),
    "Operations": ("Shifts", "Incidents", "Handover", "Maps"),
}
FILES_PER_FOLDER = 60
_ENDINGS = ("xlsx", "docx", "pdf", "pptx", "csv", "msg", "zip", "txt", "png")
_STEMS = (
    "report",
    "plan",
    "offer",
    "minutes",
    "list",
    "overview",
    "draft",
    "review",
    "summary",
    "order",
    "scan",
)


@lru_cache(maxsize=65_536)
def file_name(area: str, folder: str, number: int) -> str:
    """Name of a file: the same number is the same file for everybody."""
    mixed = (number * 2654435761 + sum(map(ord, area + folder)) * 40503) & 0xFFFFFFFF
    stem, ending = _STEMS[(mixed >> 8) % len(_STEMS)], _ENDINGS[min((mixed >> 16) % 13, len(_ENDINGS) - 1)]
    return f"{stem}-{2023 + mixed % 4}-{number:03d}.{ending}"


DOMAINS = (
    "www.google.com", "login.microsoftonline.com", "outlook.office365.com", "teams.microsoft.com",
    "www.bing.com", "nordwind.sharepoint.com", "settings-win.data.microsoft.com", "update.googleapis.com",
    "www.linkedin.com", "en.wikipedia.org", "www.youtube.com", "fonts.gstatic.com", "cdn.jsdelivr.net",
    "github.com", "www.dhl.com", "www.bbc.co.uk", "www.tagesschau.de", "news.ycombinator.com",
    "stackoverflow.com", "www.amazon.de", "www.booking.com", "www.bahn.de", "www.fedex.com", "www.maersk.com",
    "maps.google.com", "translate.google.com", "www.dropbox.com", "drive.google.com", "wetransfer.com",
    "www.paypal.com", "www.spiegel.de", "www.nytimes.com", "weather.com", "www.reddit.com",
    "ocsp.digicert.com", "ctldl.windowsupdate.com", "slack.com", "zoom.us", "chatgpt.com", "www.deepl.com",
    "api.ipify.org", "www.trello.com", "figma.com", "www.canva.com",
)  # fmt: skip
ROLE_DOMAINS = {
    "finance": ("www.elster.de", "www.ecb.europa.eu", "banking.commerzbank.de", "www.gov.uk", "www.irs.gov"),
    "sales": ("nordwind.my.salesforce.com", "www.hubspot.com", "www.xing.com", "www.kompass.com"),
    "marketing": ("business.facebook.com", "analytics.google.com", "unsplash.com", "mailchimp.com"),
    "engineering": ("pypi.org", "registry.npmjs.org", "docs.python.org", "hub.docker.com", "api.github.com"),
    "dispatch": ("www.marinetraffic.com", "www.zoll.de", "www.ups.com", "www.vesselfinder.com"),
    "it": (
        "learn.microsoft.com",
        "www.vmware.com",
        "support.hp.com",
        "www.cisa.gov",
        "download.sysinternals.com",
    ),
    "people": ("www.stepstone.de", "www.indeed.com", "www.aok.de", "www.workday.com"),
    "operations": ("www.dwd.de", "www.flightradar24.com", "www.marinetraffic.com", "www.adac.de"),
    "contractor": ("pypi.org", "hub.docker.com", "learn.microsoft.com", "www.atlassian.com"),
    "warehouse": ("www.dhl.com", "www.zoll.de", "weather.com"),
}
_LEFT = (
    "blue",
    "city",
    "fast",
    "green",
    "home",
    "nova",
    "open",
    "prime",
    "quick",
    "river",
    "smart",
    "sun",
    "terra",
)
_RIGHT = (
    "bikes",
    "cloud",
    "food",
    "garden",
    "hotel",
    "lab",
    "market",
    "media",
    "parts",
    "shop",
    "tools",
    "travel",
)
_TAIL = ("com", "de", "net", "co.uk", "org", "io", "eu", "in")


def rare_domain(number: int) -> str:
    """One of thousands of small sites that hardly anybody asks for."""
    left, right = _LEFT[number % 13], _RIGHT[number // 13 % 12]
    return f"www.{left}{right}{number // 156 % 40 or ''}.{_TAIL[number // 7 % 8]}"


RARE_DOMAINS = 6_000

SAAS = (
    ("Microsoft Teams", "teams.microsoft.com"), ("Jira Cloud", "nordwind.atlassian.net"),
    ("Workday", "wd3.myworkday.com"), ("Salesforce", "nordwind.my.salesforce.com"),
    ("ServiceNow", "nordwind.service-now.com"), ("Concur", "eu1.concursolutions.com"),
    ("GitHub Enterprise", "github.com"), ("Miro", "miro.com"), ("DocuSign", "eu.docusign.net"),
    ("Zoom", "zoom.us"), ("Figma", "figma.com"), ("Tableau Cloud", "eu-west-1a.online.tableau.com"),
    ("Slack", "slack.com"), ("HubSpot", "www.hubspot.com"), ("Datadog", "app.datadoghq.eu"),
    ("Azure Portal", "portal.azure.com"), ("AWS IAM Identity Center", "eu-central-1.console.aws.amazon.com"),
    ("Personio", "nordwind.personio.de"), ("DATEV", "apps.datev.de"), ("Canva", "www.canva.com"),
)  # fmt: skip
"""Applications in the cloud that the identity provider lets people into, the most used first."""

_TAILS = (
    "e{n}.dsc{letter}.akamaiedge.net", "d{word}.cloudfront.net", "rr{n}---sn-{word}.googlevideo.com",
    "{word}.blob.core.windows.net", "ec2-{n}-{n2}-80-14.eu-central-1.compute.amazonaws.com",
    "{hex}.elb.eu-west-1.amazonaws.com", "{n}.{n2}.80.78.zen.spamhaus.org",
    "_ldap._tcp.{n}._sites.dc._msdcs.corp.nordwind.example", "{word}{n}.fbcdn.net",
)  # fmt: skip
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@lru_cache(maxsize=65_536)
def _filled(template: str, number: int) -> str:
    digest = blake2b(f"{template}{number}".encode(), digest_size=24).hexdigest()
    word = "".join(_LETTERS[int(digest[at : at + 2], 16) % 32] for at in range(0, 26, 2))
    return template.format(
        n=number % 250 + 1, n2=number * 7 % 250 + 1, letter="abcdg"[number % 5], word=word, hex=digest[16:]
    )


def delivery_name(number: int) -> str:
    """A machine of a content delivery network or a list: such names are long and there are thousands."""
    return _filled(_TAILS[number % len(_TAILS)], number)


DELIVERY_NAMES = 4_000
UPLOAD_DOMAINS = ("www.dropbox.com", "drive.google.com", "wetransfer.com")

MAIL_OPERATIONS = (
    "MailItemsAccessed",
    "Send",
    "MoveToDeletedItems",
    "SearchQueryPerformed",
    "Create",
    "SoftDelete",
)
INBOX_RULE = "New-InboxRule"


@dataclass(frozen=True, slots=True)
class CloudCall:
    """An API operation: service, name, OCSF activity (1 create, 2 read, 3 update), its resources."""

    service: str
    operation: str
    activity: int
    resources: tuple[str, ...]


_BUCKETS = (
    "nordwind-app-data",
    "nordwind-exports",
    "nordwind-logs",
    "nordwind-backup",
    "nordwind-ml",
    "nordwind-web",
)
_KEYS = ("key/app", "key/backup", "key/export")
CLOUD_CALLS = (
    CloudCall("s3.amazonaws.com", "GetObject", 2, _BUCKETS),
    CloudCall("logs.amazonaws.com", "FilterLogEvents", 2, ("/app/orders", "/app/tracking", "/app/billing")),
    CloudCall("s3.amazonaws.com", "ListObjectsV2", 2, _BUCKETS),
    CloudCall("ec2.amazonaws.com", "DescribeInstances", 2, ("fleet",)),
    CloudCall("sts.amazonaws.com", "GetCallerIdentity", 2, ("session",)),
    CloudCall("s3.amazonaws.com", "PutObject", 1, _BUCKETS),
    CloudCall("kms.amazonaws.com", "Decrypt", 2, _KEYS),
    CloudCall("dynamodb.amazonaws.com", "Query", 2, ("orders", "parcels", "customers")),
    CloudCall("lambda.amazonaws.com", "UpdateFunctionCode20150331v2", 3, ("tracker", "invoicer", "router")),
    CloudCall("ecr.amazonaws.com", "BatchGetImage", 2, ("orders", "tracking", "base")),
    CloudCall("secretsmanager.amazonaws.com", "GetSecretValue", 2, ("app/db", "app/smtp", "app/partner-api")),
    CloudCall("s3.amazonaws.com", "ListBuckets", 2, ("all",)),
    CloudCall("iam.amazonaws.com", "ListUsers", 2, ("all",)),
    CloudCall("iam.amazonaws.com", "CreateAccessKey", 1, ("ci", "export", "partner")),
    CloudCall("ec2.amazonaws.com", "DescribeSecurityGroups", 2, ("fleet",)),
    CloudCall("iam.amazonaws.com", "ListRoles", 2, ("all",)),
    CloudCall("iam.amazonaws.com", "GetRole", 2, ("deploy", "export", "audit", "break-glass")),
    CloudCall("ec2.amazonaws.com", "RunInstances", 1, ("fleet", "batch")),
    CloudCall("rds.amazonaws.com", "DescribeDBInstances", 2, ("orders", "billing")),
    CloudCall("s3.amazonaws.com", "GetBucketPolicy", 2, _BUCKETS),
)
CLOUD_ACCOUNTS = (
    "210440017733", "518820093345", "730019265512", "118834567201", "904417765530", "366120984417",
    "651900334782",
)  # fmt: skip
"""Projects of the organisation in the cloud, the most used first."""
CLOUD_REGIONS = ("eu-central-1", "eu-west-1", "us-east-1")


def browser(family: str, on: date, delay_days: int) -> str:
    """User agent of a browser on a date, for somebody who gets each version so many days after it came out.

    Chrome 144 came out on 2026-01-13 and a version follows every four weeks; Firefox 147 on the same day.
    """
    steps = (on.toordinal() - delay_days - date(2026, 1, 13).toordinal()) // 28
    windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
    if family == "firefox":
        return f"{windows}; rv:{147 + steps}.0) Gecko/20100101 Firefox/{147 + steps}.0"
    version = f"Chrome/{144 + steps}.0.0.0 Safari/537.36"
    if family == "linux":
        return f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) {version}"
    edge = f" Edg/{144 + steps}.0.0.0" if family == "edge" else ""
    return f"{windows}) AppleWebKit/537.36 (KHTML, like Gecko) {version}{edge}"


def tool_version(agent: str, on: date, delay_days: int) -> str:
    """User agent of a command-line client on a date: a patch every two weeks for those who update."""
    steps = max((on.toordinal() - delay_days - date(2026, 2, 9).toordinal()) // 14, 0)
    head, slash, rest = agent.partition("/")
    version, blank, tail = rest.partition(" ")
    major, _, patch = version.rpartition(".")
    return f"{head}{slash}{major}.{int(patch) + steps}{blank}{tail}"


PHONES = (
    "Outlook-iOS/2.0",
    "Outlook-Android/2.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.2 Mobile/15E148 Safari/604.1",
)
COMMAND_CLIENTS = (
    "aws-cli/2.22.7 md/awscrt#0.22.0 ua/2.0 os/linux#6.8.0 md/arch#x86_64 lang/python#3.12.6",
    "Boto3/1.35.76 md/Botocore#1.35.76 ua/2.0 os/linux#6.8.0 md/arch#x86_64 lang/python#3.11.9",
    "APN/1.0 HashiCorp/1.0 Terraform/1.10.2 aws-sdk-go-v2/1.32.6 os/linux lang/go#1.23.3",
)
