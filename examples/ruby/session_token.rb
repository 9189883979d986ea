# frozen_string_literal: true

require "logger"

# The session token of the request at hand, and the tag that log lines get of it.
module SessionToken
  HEADER = "X-OpenReplay-SessionToken"
  LONGEST_HEADER = 512
  NUMBER = "[0-9A-Za-z]{1,13}"
  FORM = /\A#{NUMBER}\.-?#{NUMBER}\.#{NUMBER}\.[1-9A-HJ-NP-Za-km-z]{32,44}\z/

  module_function

  # The session token in a header, or nil where it has none, anything else, or two different ones.
  # The tracker may send the same token twice, and servers join values with commas.
  def of(header)
    return if header.nil? || header.bytesize > LONGEST_HEADER

    found = header.b.split(",").map(&:strip).uniq
    found.first if found.one? && FORM.match?(found.first)
  end

  # Runs the block for the visitor whose header this is; nobody's afterwards.
  def use(header)
    before = Thread.current[:open_replay_session_token]
    Thread.current[:open_replay_session_token] = of(header)
    yield
  ensure
    Thread.current[:open_replay_session_token] = before
  end

  # The session tag of the request at hand, or nil.
  def tag
    token = Thread.current[:open_replay_session_token]
    "[openReplaySessionToken=#{token}] " if token
  end

  # The session tag in front of each line, since log drivers make an event of each. Works on bytes,
  # so that text of any encoding is as welcome as before.
  class Formatter < Logger::Formatter
    def call(*)
      lines = super
      tag = SessionToken.tag
      tag ? lines.b.gsub(/^(?=.)/n, tag).force_encoding(lines.encoding) : lines
    end
  end
end
