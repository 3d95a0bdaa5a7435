"""Programs that individuals choose for themselves: most people have one or two, power users try many.

The same pool serves ordinary days and oddities, so that no tool gives away which of them an event belongs to.
"""

from __future__ import annotations

from training.simulate.catalogue import BASH, EXPLORER, Program

_PF = r"C:\Program Files" + "\\"
_PX = r"C:\Program Files (x86)" + "\\"


def _app(path: str, *arguments: str) -> Program:
    return Program(path, EXPLORER, tuple(f'"{path}" {text}'.rstrip() for text in arguments or ("",)))


def _unix(path: str, *commands: str) -> Program:
    return Program(path, BASH, commands)


OWN_WINDOWS = (
    _app(_PF + r"Notepad++\notepad++.exe", "", r'"C:\Users\{account}\Documents\{file}.txt"'),
    _app(_PF + r"KeePass Password Safe 2\KeePass.exe", "", "-minimize"),
    _app(_PF + r"VideoLAN\VLC\vlc.exe", r'"C:\Users\{account}\Downloads\{file}.mp4"'),
    _app(_PF + r"PuTTY\putty.exe", "", "-load {server}"),
    _app(_PX + r"WinSCP\WinSCP.exe", "", "sftp://{account}@{server}"),
    _app(_PF + r"Spotify\Spotify.exe", "", "--minimized"),
    _app(_PF + r"Greenshot\Greenshot.exe", ""),
    _app(_PF + r"Everything\Everything.exe", "-startup", ""),
    _app(_PF + r"paint.net\PaintDotNet.exe", r'"C:\Users\{account}\Pictures\{file}.png"'),
    _app(_PX + r"TeamViewer\TeamViewer.exe", "", "--id {n}"),
    _app(_PX + r"AnyDesk\AnyDesk.exe", "", "--control"),
    _app(_PF + r"FileZilla FTP Client\filezilla.exe", ""),
    _app(_PF + r"DBeaver\dbeaver.exe", ""),
    _app(_PF + r"OBS Studio\obs64.exe", "--startreplaybuffer"),
    _app(_PF + r"Wireshark\Wireshark.exe", "", "-i 1 -k"),
    _app(_PX + r"Advanced IP Scanner\advanced_ip_scanner.exe", ""),
    _app(_PX + r"Nmap\nmap.exe", "-sn 10.20.4.0/24", "-sT -p 22,443 {server}"),
    _app(_PF + r"rclone\rclone.exe", "config", r'copy "C:\Users\{account}\Documents" onedrive:{share}'),
    _app(_PF + r"AutoHotkey\v2\AutoHotkey64.exe", r'"C:\Users\{account}\Documents\keys.ahk"'),
    _app(_PF + r"R\R-4.4.2\bin\Rscript.exe", r"C:\Users\{account}\Documents\{file}.R"),
    _app(_PF + r"Obsidian\Obsidian.exe", ""),
    _app(_PX + r"Steam\steam.exe", "-silent"),
    _app(_PF + r"MobaXterm\MobaXterm.exe", "", "-newtab {server}"),
    _app(_PF + r"Angry IP Scanner\ipscan.exe", ""),
)
OWN_LINUX = (
    _unix("/usr/bin/htop", "htop"),
    _unix("/usr/bin/jq", "jq .version package.json", "jq -r .items[].name"),
    _unix("/usr/bin/rsync", "rsync -a src/ {account}@{server}:src/", "rsync -a /srv/{share} /tmp/{share}"),
    _unix("/usr/bin/tmux", "tmux attach", "tmux new -s {share}"),
    _unix("/usr/bin/wget", "wget -q https://registry.nordwind.example/{file}.tgz"),
    _unix("/usr/bin/nmap", "nmap -sn 10.20.4.0/24", "nmap -sT -p 22,443 {server}"),
    _unix("/usr/bin/nc", "nc -vz {server} 5432", "nc -l 9000"),
    _unix("/usr/bin/rclone", "rclone config", "rclone copy {share} drive:{share}"),
    _unix("/usr/bin/tcpdump", "tcpdump -ni any port 53"),
    _unix("/usr/local/bin/terraform", "terraform plan", "terraform apply -auto-approve", "terraform init"),
    _unix("/usr/local/bin/helm", "helm upgrade {share} charts/{share}", "helm list -A"),
    _unix("/usr/bin/strace", "strace -f -p {n}"),
    _unix("/snap/bin/spotify", "spotify"),
    _unix("/usr/bin/socat", "socat TCP-LISTEN:8443,fork TCP:{server}:443"),
)


def pool(*, linux: bool) -> tuple[Program, ...]:
    """Tools for a system, the most popular first."""
    return OWN_LINUX if linux else OWN_WINDOWS
