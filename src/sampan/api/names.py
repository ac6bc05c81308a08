"""What Kubernetes lets be a name: each function answers the list of objections, empty when the value is good.

The wording is the API's own, so that a caller only adds field path and value: `metadata.name: Invalid value: "A": …`.
"""

import re
from functools import lru_cache

Objections = tuple[str, ...]

_NONE: Objections = ()

_LABEL_1123 = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_1123 = rf"{_LABEL_1123}(\.{_LABEL_1123})*"
_LABEL_1123_UNDERSCORE = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_1123_UNDERSCORE = rf"{_LABEL_1123_UNDERSCORE}(\.{_LABEL_1123_UNDERSCORE})*"
_WILDCARD_1123 = rf"\*\.{_SUBDOMAIN_1123}"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_ENV_VAR = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_HTTP_HEADER = "[-A-Za-z0-9]+"
_PERCENT = "[0-9]+%"
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

_label_1123 = re.compile(_LABEL_1123).fullmatch
_subdomain_1123 = re.compile(_SUBDOMAIN_1123).fullmatch
_subdomain_1123_underscore = re.compile(_SUBDOMAIN_1123_UNDERSCORE).fullmatch
_wildcard_1123 = re.compile(_WILDCARD_1123).fullmatch
_label_1035 = re.compile(_LABEL_1035).fullmatch
_qualified = re.compile(_QUALIFIED).fullmatch
_label_value = re.compile(_LABEL_VALUE).fullmatch
_c_identifier = re.compile(_C_IDENTIFIER).fullmatch
_env_var = re.compile(_ENV_VAR).fullmatch
_config_key = re.compile(_CONFIG_KEY).fullmatch
_http_header = re.compile(_HTTP_HEADER).fullmatch
_percent = re.compile(_PERCENT).fullmatch
_http_path = re.compile(_HTTP_PATH).fullmatch
_port_charset = re.compile("[-a-z0-9]+").fullmatch
_port_letter = re.compile("[a-z]").search

_ALNUM_ENDS = "and must start and end with an alphanumeric character"
_SAID_LABEL_1123 = (
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ALNUM_ENDS}"
)
_SAID_SUBDOMAIN_1123 = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ALNUM_ENDS}"
)
_SAID_SUBDOMAIN_1123_UNDERSCORE = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', {_ALNUM_ENDS}"
)
_SAID_WILDCARD_1123 = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_SAID_LABEL_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
_SAID_QUALIFIED = f"must consist of alphanumeric characters, '-', '_' or '.', {_ALNUM_ENDS}"
_SAID_LABEL_VALUE = (
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ALNUM_ENDS}"
)
_SAID_C_IDENTIFIER = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_'"
)
_SAID_ENV_VAR = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not "
    "start with a digit"
)
_SAID_ENV_VAR_RELAXED = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
_SAID_CONFIG_KEY = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"


def regex_error(said: str, pattern: str, *examples: str) -> str:
    """An objection with examples and the pattern, spaced the way the API spaces it."""
    if not examples:
        return f"{said} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{e}', " for e in examples)
    return f"{said} (e.g. {shown}regex used for validation is '{pattern}')"


def max_length_error(length: int, unit: str = "characters") -> str:
    return f"must be no more than {length} {unit}"


def range_error(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def _size(value: str) -> int:
    """Lengths are counted in bytes."""
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=8192)
def dns1123_label(value: str) -> Objections:
    """Namespace, container and volume names."""
    if len(value) <= 63 and _label_1123(value):
        return _NONE
    found: list[str] = []
    if _size(value) > 63:
        found.append(max_length_error(63))
    if not _label_1123(value):
        if _subdomain_1123(value):
            found.append("must not contain dots")
        else:
            found.append(regex_error(_SAID_LABEL_1123, _LABEL_1123, "my-name", "123-abc"))
    return tuple(found)


@lru_cache(maxsize=8192)
def dns1123_subdomain(value: str) -> Objections:
    """Most object names."""
    if len(value) <= 253 and _subdomain_1123(value):
        return _NONE
    found: list[str] = []
    if _size(value) > 253:
        found.append(max_length_error(253))
    if not _subdomain_1123(value):
        found.append(regex_error(_SAID_SUBDOMAIN_1123, _SUBDOMAIN_1123, "example.com"))
    return tuple(found)


def dns1123_subdomain_with_underscore(value: str) -> Objections:
    """DNS search domains."""
    found: list[str] = []
    if _size(value) > 253:
        found.append(max_length_error(253))
    if not _subdomain_1123_underscore(value):
        found.append(regex_error(_SAID_SUBDOMAIN_1123_UNDERSCORE, _SUBDOMAIN_1123_UNDERSCORE, "example.com"))
    return tuple(found)


def wildcard_dns1123_subdomain(value: str) -> Objections:
    """Ingress hosts such as `*.example.com`."""
    found: list[str] = []
    if _size(value) > 253:
        found.append(max_length_error(253))
    if not _wildcard_1123(value):
        found.append(regex_error(_SAID_WILDCARD_1123, _WILDCARD_1123, "*.example.com"))
    return tuple(found)


def dns1035_label(value: str) -> Objections:
    """The stricter label that must not start with a digit."""
    found: list[str] = []
    if _size(value) > 63:
        found.append(max_length_error(63))
    if not _label_1035(value):
        found.append(regex_error(_SAID_LABEL_1035, _LABEL_1035, "my-name", "abc-123"))
    return tuple(found)


@lru_cache(maxsize=8192)
def qualified_name(value: str) -> Objections:
    """Label keys, annotation keys (lower-cased first), resource names, condition types: `[prefix/]name`."""
    if len(value) <= 63 and _qualified(value):
        return _NONE
    found: list[str] = []
    parts = value.split("/")
    if len(parts) > 2:
        said = regex_error(_SAID_QUALIFIED, _QUALIFIED, "MyName", "my.name", "123-abc")
        tail = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return (f"a qualified name {said}{tail}",)
    name = parts[-1]
    if len(parts) == 2:
        if not parts[0]:
            found.append("prefix part must be non-empty")
        else:
            found.extend(f"prefix part {o}" for o in dns1123_subdomain(parts[0]))
    if not name:
        found.append("name part must be non-empty")
    elif _size(name) > 63:
        found.append(f"name part {max_length_error(63, 'bytes')}")
    if not _qualified(name):
        found.append(f"name part {regex_error(_SAID_QUALIFIED, _QUALIFIED, 'MyName', 'my.name', '123-abc')}")
    return tuple(found)


label_key = qualified_name


@lru_cache(maxsize=8192)
def label_value(value: str) -> Objections:
    if len(value) <= 63 and _label_value(value):
        return _NONE
    found: list[str] = []
    if _size(value) > 63:
        found.append(max_length_error(63, "bytes"))
    if not _label_value(value):
        found.append(regex_error(_SAID_LABEL_VALUE, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return tuple(found)


def c_identifier(value: str) -> Objections:
    if _c_identifier(value):
        return _NONE
    return (regex_error(_SAID_C_IDENTIFIER, _C_IDENTIFIER, "my_name", "MY_NAME", "MyName"),)


def env_var_name(value: str) -> Objections:
    """The names that Kubernetes' printable-ASCII rule lets through (the default since 1.32)."""
    if not value:
        return ("environment variable name must be non-empty",)
    if any(c == "=" or not " " <= c <= "~" for c in value):
        return (_SAID_ENV_VAR_RELAXED,)
    return _NONE


def strict_env_var_name(value: str) -> Objections:
    """The older rule; keys of a ConfigMap that break it are left out of `envFrom`."""
    found: list[str] = []
    if not _env_var(value):
        found.append(regex_error(_SAID_ENV_VAR, _ENV_VAR, "my.env-name", "MY_ENV.NAME", "MyEnvName1"))
    found.extend(_parent_directory(value))
    return tuple(found)


def config_map_key(value: str) -> Objections:
    """Keys of ConfigMaps and Secrets, which become file names."""
    found: list[str] = []
    if _size(value) > 253:
        found.append(max_length_error(253))
    if not _config_key(value):
        found.append(regex_error(_SAID_CONFIG_KEY, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    found.extend(_parent_directory(value))
    return tuple(found)


def _parent_directory(value: str) -> Objections:
    if value == ".":
        return ("must not be '.'",)
    if value == "..":
        return ("must not be '..'",)
    if value.startswith(".."):
        return ("must not start with '..'",)
    return _NONE


def port_name(value: str) -> Objections:
    """IANA service names, as container and Service ports carry."""
    found: list[str] = []
    if _size(value) > 15:
        found.append(max_length_error(15))
    if not _port_charset(value):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _port_letter(value):
        found.append("must contain at least one letter (a-z)")
    if "--" in value:
        found.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        found.append("must not begin or end with a hyphen")
    return tuple(found)


def port_number(value: int) -> Objections:
    return _NONE if 1 <= value <= 65535 else (range_error(1, 65535),)


def http_header_name(value: str) -> Objections:
    if _http_header(value):
        return _NONE
    said = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return (regex_error(said, _HTTP_HEADER, "X-Header-Name"),)


def percent(value: str) -> Objections:
    if _percent(value):
        return _NONE
    said = "a valid percent string must be a numeric string followed by an ending '%'"
    return (regex_error(said, _PERCENT, "1%", "93%"),)


def path_segment_name(value: str) -> Objections:
    """Names of RBAC objects: anything that fits between two slashes of a URL."""
    if value in (".", ".."):
        return (f"may not be '{value}'",)
    return tuple(f"may not contain '{c}'" for c in "/%" if c in value)


def fully_qualified(value: str, *, segments: int = 2) -> Objections:
    """A domain of at least so many segments (signer names, resource claims' drivers)."""
    objections = dns1123_subdomain(value.removesuffix("."))
    if objections:
        return objections
    if value.count(".") + 1 < segments:
        count = {2: "two", 3: "three"}.get(segments, str(segments))
        return (f"should be a domain with at least {count} segments separated by dots",)
    return _NONE


def domain_prefixed_path(value: str) -> Objections:
    """`acme.io/foo`, as finalizers and signers are named."""
    host, slash, path = value.partition("/")
    if not (slash and host and path):
        return ('must be a domain-prefixed path (such as "acme.io/foo")',)
    objections = dns1123_subdomain(host)
    if not _http_path(path):
        objections += (regex_error("Invalid path", _HTTP_PATH),)
    return objections


def name_for_generate(prefix: str) -> str:
    """What `generateName` is validated as: a trailing dash is fine because a suffix follows."""
    return f"{prefix[:-1]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix
