// Asks Presage questions: `presage CONFIGURATION`; `driven.py` says what is read and written.

#include <presage.h>

#include <ctime>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

class Typed : public PresageCallback {
public:
    std::string get_past_stream() const override { return past; }
    std::string get_future_stream() const override { return ""; }
    std::string past;
};

long long thread_ns() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1000000000LL * now.tv_sec + now.tv_nsec;
}

}  // namespace

int main(int, char** arguments) {
    Typed typed;
    Presage presage(&typed, arguments[1]);
    std::string line;
    while (std::getline(std::cin, line)) {
        std::vector<std::string> questions(std::stoul(line));
        for (std::string& question : questions) {
            std::getline(std::cin, question);
        }
        std::ostringstream answers;
        for (const std::string& question : questions) {
            typed.past = question;
            const long long began = thread_ns();
            const std::vector<std::string> words = presage.predict();
            answers << thread_ns() - began;
            for (const std::string& word : words) {
                answers << '\t' << word;
            }
            answers << '\n';
        }
        std::cout << answers.str() << std::flush;
    }
}
