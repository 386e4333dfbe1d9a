#include "flow/redact.h"

#include <gtest/gtest.h>

#include "wire/registry.h"

namespace reprise::flow {

namespace {

session::Session a_session() {
  session::Session s;
  s.id = 1;
  s.inbound.protocol = wire::Protocol::kHttp1;
  s.inbound.request =
      "POST /login?token=tok-12345 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SeCrEt99\r\n"
      "Content-Type: application/json\r\nContent-Length: 42\r\n\r\n{\"user\":\"bob\",\"password\":\"hunter22\",\"n\":1}";
  std::vector<wire::Message> messages;
  auto codec = wire::entry(wire::Protocol::kHttp1).make_codec({});
  codec->feed(wire::Dir::kRequest, s.inbound.request, 1, messages);
  EXPECT_EQ(messages.size(), 1u);
  s.inbound.operation = messages.at(0).operation;
  session::Call c;
  c.protocol = wire::Protocol::kRedis;
  c.request = "*3\r\n$3\r\nSET\r\n$8\r\nhunter22\r\n$1\r\n1\r\n";
  c.operation.verb = "SET";
  c.operation.label = "SET hunter22 1";
  c.operation.leaves = {{"arg.0", "hunter22"}, {"arg.1", "1"}};
  s.calls.push_back(c);
  return s;
}

Redactor make(RedactRules rules) {
  auto r = Redactor::create(std::move(rules), "key");
  EXPECT_TRUE(r);
  return std::move(*r);
}

}  // namespace

TEST(Redact, NoSecretIsLeftAnywhereAndLengthsStay) {
  const Redactor r = make({{"authorization"}, {"password"}, {"token"}, {}});
  session::Session s = a_session();
  const size_t before = s.inbound.request.size();
  EXPECT_EQ(r.redact(s), 3u);
  EXPECT_EQ(s.inbound.request.size(), before);
  for (const char* secret : {"SeCrEt99", "hunter22", "tok-12345"}) {
    EXPECT_EQ(s.inbound.request.find(secret), std::string::npos) << secret;
    EXPECT_EQ(s.inbound.operation.label.find(secret), std::string::npos) << secret;
    for (const Leaf& leaf : s.inbound.operation.leaves) EXPECT_EQ(leaf.text.find(secret), std::string::npos);
  }
  EXPECT_EQ(s.calls[0].request.find("hunter22"), std::string::npos);
  EXPECT_EQ(s.calls[0].operation.leaves[0].text, r.token("hunter22"));
  EXPECT_NE(s.inbound.request.find(r.token("hunter22")), std::string::npos);
  EXPECT_NE(s.inbound.request.find("\"user\":\"bob\""), std::string::npos);
}

// Bodies that do not open as what they claim, or claim nothing.
TEST(Redact, BrokenAndOddBodiesLoseTheirSecretsToo) {
  const Redactor r = make({{"authorization"}, {"password"}, {"token"}, {}});
  const std::pair<const char*, const char*> cases[] = {
      {R"({"password":"SECRET1\"x"})", "SECRET1"},       {R"([{"password":"SECRET2"}])", "SECRET2"},
      {R"({"password":{"a":"SECRET3"}})", "SECRET3"},     {R"({"password" : "SECRET4"} trailing)", "SECRET4"},
      {R"({"password":"SECRET5)", "SECRET5"},             {R"({"n":"{\"password\":\"SECRET6\"}"})", "SECRET6"},
      {"x=1&token=SECRET7%21%40", "SECRET7"},             {"a\r\nAuthorization: Bearer SECRET8", "SECRET8"},
      {R"({"password":"SECRET9\u00fc"})", "SECRET9"},
  };
  for (const auto& [body, secret] : cases) {
    for (const char* type : {"application/json", "text/plain"}) {
      session::Session s;
      s.inbound.protocol = wire::Protocol::kHttp1;
      s.inbound.request = std::string("POST / HTTP/1.1\r\nContent-Type: ") + type + "\r\nContent-Length: " +
                          std::to_string(std::string(body).size()) + "\r\n\r\n" + body;
      s.inbound.operation.leaves = {{"header.content-type", type, LeafForm::kText, LeafClass::kContext},
                                    {"body", body, LeafForm::kBody, LeafClass::kPayload}};
      session::Call c;
      c.protocol = wire::Protocol::kRedis;
      c.request = std::string("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$99\r\n") + body + "\r\n";
      s.calls.push_back(c);
      const size_t before = s.inbound.request.size();
      r.redact(s);
      EXPECT_EQ(s.inbound.request.find(secret), std::string::npos) << body << " as " << type;
      EXPECT_EQ(s.inbound.operation.leaves[1].text.find(secret), std::string::npos) << body;
      EXPECT_EQ(s.calls[0].request.find(secret), std::string::npos) << body;
      EXPECT_EQ(s.inbound.request.size(), before);
    }
  }
}

TEST(Redact, RegexGroupIsTheSecret) {
  const Redactor r = make({{}, {}, {}, {"Bearer (\\S+)"}});
  session::Session s = a_session();
  r.redact(s);
  EXPECT_NE(s.inbound.request.find("Bearer " + r.token("SeCrEt99")), std::string::npos);
}

TEST(Redact, TokensAreStableKeyedAndShaped) {
  const Redactor a = make({}), b = make({});
  auto other = Redactor::create({}, "other key");
  EXPECT_EQ(a.token("4111111111111111"), b.token("4111111111111111"));
  EXPECT_NE(a.token("4111111111111111"), other->token("4111111111111111"));
  for (char c : a.token("4111111111111111")) EXPECT_TRUE(c >= '0' && c <= '9');
}

TEST(Redact, BadExpressionIsNamed) {
  auto r = Redactor::create({{}, {}, {}, {"("}}, "k");
  ASSERT_FALSE(r);
  EXPECT_NE(r.error().message.find("'('"), std::string::npos);
}

}  // namespace reprise::flow
