#include "report/shell.h"

#include "support/catch.h"

using namespace gpuplan;

TEST_CASE("a suggested command repeats the flags that say which server and which state") {
  CHECK(suggested("status") == "gpuplan status");
  repeat_in_suggestions(" --host sim:a.yaml --state-dir '/srv/my state'");
  CHECK(suggested("logs gpu-worker-1 --cluster gpu") ==
        "gpuplan logs gpu-worker-1 --cluster gpu --host sim:a.yaml --state-dir '/srv/my state'");
  repeat_in_suggestions("");
  CHECK(suggested("status") == "gpuplan status");
}
