// Saved plans, and with them the changes that the journal stores in the same form. An input is the file itself, or
// the content of one whose checksum is right.
#include "digest/digest.h"
#include "fuzz/fuzz.h"
#include "json/json.h"
#include "plan/plan_file.h"
#include "plan/print_json.h"
#include "plan/print_text.h"

using namespace gpuplan;

namespace {

void read(const std::string& text) {
  is_plan_file(text);
  try {
    const SavedPlan saved = read_plan_file(text, "today.plan");
    const StepKinds kinds;
    print_plan(saved.plan, kinds, {true, true});
    to_document(plan_to_json(saved.plan));
    fuzz::require(is_plan_file(plan_file_text(saved)), "a plan that is saved again is a plan");
    const SavedPlan again = read_plan_file(plan_file_text(saved), "again");
    fuzz::require(plan_file_text(again) == plan_file_text(saved), "and says the same");
    moved_since(saved, saved.plan, kinds);
  } catch (const PlanFileError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text(data, size);
  read(text);
  try {
    const Json content = parse_json(text, "content");
    const std::string canonical = content.dump(-1, ' ', false, Json::error_handler_t::replace);
    read("{\"gpuplan_plan_file\":" + std::to_string(plan_file_version) + ",\"sha256\":\"" + sha256_hex(canonical) +
         "\",\"content\":" + canonical + "}\n");
  } catch (const JsonError&) {
  }
  return 0;
}
