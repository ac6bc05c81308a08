"""For processes of a machine whose clock is ahead: Python reads this file when it starts, if it is on its path."""

import datetime
import os
import time

_AHEAD = float(os.environ["SAMPAN_TEST_AHEAD"])
_time = time.time
_Real = datetime.datetime


class _Ahead(_Real):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _Real:
        return _Real.now(tz) + datetime.timedelta(seconds=_AHEAD)


time.time = lambda: _time() + _AHEAD
datetime.datetime = _Ahead  # type: ignore[misc]
