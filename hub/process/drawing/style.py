"""How a picture of a process looks: one style sheet for the picture alone and for pages that show
it, and the small signs on its cards, drawn on a field of 16 by 16.
"""

from __future__ import annotations

from collections.abc import Mapping

STYLE = """
.process-diagram{--pd-back:#fff;--pd-card:#fff;--pd-edge:#6b7889;--pd-line:#5d6978;--pd-text:#1a2330;
--pd-soft:#4f5a68;--pd-accent:#2352c4;--pd-tint:#eaf0fd;--pd-good:#156a3d;--pd-good-back:#e3f4ea;
--pd-warn:#7d4f00;--pd-warn-back:#fcf1d4;--pd-bad:#a8201a;--pd-bad-back:#fde7e4;--pd-sunk:#f1f3f6;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif}
@media (prefers-color-scheme:dark){.process-diagram{--pd-back:#12161c;--pd-card:#1a2028;
--pd-edge:#8290a1;--pd-line:#93a0b0;--pd-text:#e6eaf0;--pd-soft:#b3bdc9;--pd-accent:#8db0ff;
--pd-tint:#202c44;--pd-good:#7ad6a0;--pd-good-back:#15301f;--pd-warn:#f0c063;--pd-warn-back:#33270d;
--pd-bad:#ff9c92;--pd-bad-back:#3d1c1a;--pd-sunk:#222a34}}
.pd-back{fill:var(--pd-back)}
.pd-card,.pd-sign{fill:var(--pd-card);stroke:var(--pd-edge);stroke-width:1.4}
.pd-process .pd-card{stroke-width:2.2}
.pd-decision .pd-card{stroke:var(--pd-accent)}
.pd-outside .pd-card{stroke-dasharray:6 3}
.pd-end .pd-sign{stroke-width:4}
.pd-stop .pd-sign{stroke:var(--pd-bad);stroke-width:2.4}
.pd-full{fill:var(--pd-bad)}
.pd-line{fill:none;stroke:var(--pd-line);stroke-width:1.5}
.pd-again{stroke-dasharray:6 4}
.pd-ends{stroke:var(--pd-bad)}
.pd-tip{fill:var(--pd-line)}
.process-diagram text{fill:var(--pd-soft)}
.process-diagram text.pd-title{fill:var(--pd-text);font-weight:600}
.process-diagram text.pd-label{fill:var(--pd-text);paint-order:stroke;stroke:var(--pd-back);
stroke-width:4px;stroke-linejoin:round}
.process-diagram text.pd-tag{fill:var(--pd-accent)}
.process-diagram text.pd-state{font-weight:700;fill:var(--pd-text)}
.pd-icon{fill:none;stroke:var(--pd-soft);stroke-width:1.5;stroke-linecap:round;
stroke-linejoin:round}
.pd-icon-branch{stroke:var(--pd-accent)}
.is-active .pd-card,.is-active .pd-sign{
fill:var(--pd-tint);stroke:var(--pd-accent);stroke-width:2.6}
.is-active text.pd-state,.is-active text.pd-tag{fill:var(--pd-accent)}
.is-completed .pd-card,.is-completed .pd-sign{fill:var(--pd-good-back);stroke:var(--pd-good)}
.is-completed text.pd-state{fill:var(--pd-good)}
.is-skipped .pd-card,.is-skipped .pd-sign,.is-terminated .pd-card,
.is-terminated .pd-sign{fill:var(--pd-sunk);
stroke-dasharray:2 3}
.is-blocked .pd-card,.is-blocked .pd-sign,.is-overdue .pd-card,.is-overdue .pd-sign,
.is-failed .pd-card,.is-failed .pd-sign{
fill:var(--pd-bad-back);stroke:var(--pd-bad);stroke-width:2.6}
.is-blocked text.pd-state,.is-overdue text.pd-state,.is-failed text.pd-state{fill:var(--pd-bad)}
"""

_PERSON = "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6M2.5 14.5a5.5 5.5 0 0 1 11 0"
ICONS: Mapping[str, str] = {
    "task": _PERSON,
    "decision": "M8 1.5 14.5 8 8 14.5 1.5 8zM6.3 6.4a1.8 1.8 0 1 1 2.6 1.7c-.6.3-.9.6-.9 1.2"
    "M8 11.4v.1",
    "process": "M2 2.5h12v11H2zM8 5.5v5M5.5 8h5",
    "wait": "M1.5 3.5h13v9h-13zM1.5 4l6.5 5 6.5-5",
    "milestone": "M4 14.5v-13l8.5 3.2L4 8.2",
    "inside": "M2 2h12v12H2zM8 5v6M5 8h6",
    "many": "M4 2v12M8 2v12M12 2v12",
    "person": _PERSON,
    "answers": "M8 1.5 13.5 3.5v4c0 3.5-2.4 5.8-5.5 7-3.1-1.2-5.5-3.5-5.5-7v-4z"
    "M5.5 7.8l1.9 1.9 3.3-3.5",
    "clock": "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13M8 4.2V8l2.6 1.7",
    "waiting": "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13M8 4.2V8l2.6 1.7",
    "tool": "M6.5 9.5l3-3M7.5 4.5l1.7-1.7a2.6 2.6 0 0 1 4 4l-1.7 1.7"
    "M8.5 11.5l-1.7 1.7a2.6 2.6 0 0 1-4-4l1.7-1.7",
    "undo": "M7.5 3.5 2.5 8l5 4.5zM13.5 3.5 8.5 8l5 4.5z",
    "branch": "M8 1.5 14.5 8 8 14.5 1.5 8zM5.7 5.7l4.6 4.6M10.3 5.7l-4.6 4.6",
    "state": "M8 13a5 5 0 1 0 0-10 5 5 0 0 0 0 10",
    "completed": "M2.5 8.5l3.7 3.7 7.3-8",
    "active": "M5 3l8 5-8 5z",
    "skipped": "M3 3.5 8 8l-5 4.5zM12.5 3.5v9",
    "terminated": "M3.5 3.5l9 9M12.5 3.5l-9 9",
    "blocked": "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13M3.5 3.5l9 9",
    "overdue": "M8 2 15 14H1zM8 6.5v3.7M8 12.2v.1",
    "failed": "M3.5 3.5l9 9M12.5 3.5l-9 9",
}
